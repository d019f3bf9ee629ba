'use strict';
// noVNC in Chromium: HOST PORT PAGE DISPLAY. Opens the page of noVNC, paints the desktop in one colour after the other,
// and looks for each on the canvas.

const { execFile } = require('child_process');
const { promisify } = require('util');
const devtools = require('./lib/devtools.js');

const [host, port, path, display] = process.argv.slice(2);
const run = promisify(execFile);
const SIZE = '640x480';

// What the canvas shows at its corners and in the middle, as #rrggbb, once it is all the same; or its size.
const LOOK = `(() => {
  const canvas = document.querySelector('canvas');
  if (!canvas || !canvas.width) return 'no canvas';
  const { width, height } = canvas;
  const context = canvas.getContext('2d');
  const hex = (x, y) => '#' + Array.from(context.getImageData(x, y, 1, 1).data).slice(0, 3)
    .map((part) => part.toString(16).padStart(2, '0')).join('');
  const colours = [[1, 1], [width - 2, 1], [1, height - 2], [width - 2, height - 2], [width >> 1, height >> 1]]
    .map(([x, y]) => hex(x, y));
  return new Set(colours).size === 1 ? width + 'x' + height + ' ' + colours[0] : colours.join(' ');
})()`;

async function shows(page, colour) {
  await run('xsetroot', ['-display', `:${display}`, '-solid', colour]);
  const deadline = Date.now() + 60000;
  for (;;) {
    const seen = await page.evaluate(LOOK);
    if (seen === `${SIZE} ${colour}`) return;
    if (Date.now() > deadline) {
      const status = await page.evaluate('document.body.innerText');
      throw new Error(`the canvas shows ${seen} instead of ${SIZE} ${colour}; the page says ${JSON.stringify(status)}`);
    }
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

devtools.run('noVNC', 170000, async (browser) => {
  const page = await browser.page();
  await page.open(`http://${host}:${port}${path}`);
  // Exact in every encoding that is without loss, and of one colour in those that are not.
  for (const colour of ['#1a6bd2', '#d2691e', '#00aa55']) await shows(page, colour);
  return `a desktop of ${SIZE} in three colours`;
});
