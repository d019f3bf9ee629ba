// Updates the page every two seconds, except while details are open or focused. No text from a client is executed.
"use strict";
const live = document.getElementById("live");
const again = async () => {
  if (document.hidden || live.querySelector("details[open]") || live.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh) live.replaceChildren(...fresh.childNodes);
};
setInterval(again, 2000);
