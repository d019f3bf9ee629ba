//! The fields by which a web app has a request held: those of an answer that begin with `Grip-`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};

use super::parameters::{parameter, split, unescaped, unquoted};

/// How many channels a request may be held on.
const MOST_CHANNELS: usize = 20;

/// How long a request waits for its answer, and how long nothing is sent on a stream before its keep-alive, where
/// the web app does not say it.
pub(super) const WAIT: Duration = Duration::from_secs(55);

/// How long a stream is followed by its link, where the web app does not say it.
const LINK_WAIT: Duration = Duration::from_secs(120);

/// The shortest of these times.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// What a web app wants done with the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruct {
    /// How it is held, if it is.
    pub(super) mode: Option<Mode>,
    pub(super) channels: Vec<Subscribe>,
    /// How long it waits for its answer.
    pub(super) timeout: Duration,
    /// What a stream gets where it has got nothing for some time.
    pub(super) keep_alive: Option<KeepAlive>,
    /// The status that the client is told.
    pub(super) status: Option<StatusCode>,
    /// Where a stream goes on.
    pub(super) next: Option<Next>,
}

/// How a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The answer goes out, and behind it what is published.
    Stream,
    /// What is published is the answer; where nothing is in time, the web app's is.
    Response,
}

/// A channel that a request is held on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscribe {
    pub(super) name: String,
    /// What the last that its client has had of the channel is called.
    pub(super) prev_id: Option<String>,
    /// Whose own publications are not for it.
    pub(super) is_not: Option<String>,
}

/// What a stream gets where it has got nothing for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeepAlive {
    pub(super) content: Bytes,
    pub(super) timeout: Duration,
    /// Whether it comes in any case, as often.
    pub(super) is_interval: bool,
}

/// Where a stream goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The link, as the web app has it.
    pub(super) link: String,
    /// After how long without a publication it is looked there.
    pub(super) timeout: Duration,
}

impl Default for Instruct {
    fn default() -> Self {
        Self {
            mode: None,
            channels: Vec::new(),
            timeout: WAIT,
            keep_alive: None,
            status: None,
            next: None,
        }
    }
}

impl Instruct {
    /// Takes what a web app says out of the fields of its answer, of which clients get none; `None` where it says
    /// nothing.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, &'static str> {
        let is_ours = |name: &HeaderName| name.as_str().starts_with("grip-");
        if !headers.keys().any(is_ours) {
            return Ok(None);
        }
        let instruct = Self::read(headers);
        while let Some(name) = headers.keys().find(|name| is_ours(name)).cloned() {
            headers.remove(name);
        }
        instruct.map(Some)
    }

    fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let mode = match one(headers, "grip-hold")? {
            None => None,
            Some("stream") => Some(Mode::Stream),
            Some("response") => Some(Mode::Response),
            Some(_) => return Err("its Grip-Hold is neither `stream` nor `response`"),
        };
        let channels = channels(headers)?;
        let timeout = match one(headers, "grip-timeout")? {
            None => WAIT,
            Some(text) => seconds(text).ok_or("its Grip-Timeout is no number of seconds")?,
        };
        let keep_alive = one(headers, "grip-keep-alive")?.map(KeepAlive::read);
        let status = one(headers, "grip-status")?.map(status);
        let instruct = Self {
            mode,
            channels,
            timeout,
            keep_alive: keep_alive.transpose()?,
            status: status.transpose()?,
            next: next(headers)?,
        };
        instruct.checked()
    }

    /// The same where it makes sense as a whole; of more channels than there may be, the first.
    pub(super) fn checked(mut self) -> Result<Self, &'static str> {
        let mut channels: Vec<Subscribe> = Vec::new();
        for channel in self.channels {
            if channel.name.is_empty() {
                return Err("its Grip-Channel has no name");
            }
            let is_there = channels.iter().any(|one| one.name == channel.name);
            if !is_there && channels.len() < MOST_CHANNELS {
                channels.push(channel);
            }
        }
        self.channels = channels;
        if self.mode.is_some() && self.channels.is_empty() {
            return Err("it has a Grip-Hold and no Grip-Channel");
        }
        let mut channels = self.channels.iter();
        let is_numbered = channels.any(|channel| channel.prev_id.is_some());
        if self.mode == Some(Mode::Stream) && is_numbered && self.next.is_none() {
            return Err(
                "its Grip-Channel has a prev-id, and no Grip-Link says where a stream goes on",
            );
        }
        Ok(self)
    }
}

impl KeepAlive {
    fn read(value: &str) -> Result<Self, &'static str> {
        let mut parts = split(value, ';', &['"']).into_iter();
        let content = parts.next().unwrap_or_default();
        let mut kept = Self {
            content: Bytes::new(),
            timeout: WAIT,
            is_interval: false,
        };
        let mut format = "raw".to_owned();
        for (name, value) in parts.map(parameter) {
            match name {
                "format" => format = value,
                "timeout" => {
                    let timeout = seconds(&value);
                    kept.timeout =
                        timeout.ok_or("its Grip-Keep-Alive has a timeout that is none")?;
                }
                "mode" => match &*value {
                    "idle" => kept.is_interval = false,
                    "interval" => kept.is_interval = true,
                    _ => return Err("its Grip-Keep-Alive has a mode that is none"),
                },
                _ => {}
            }
        }
        let content = match &*format {
            "raw" => Some(content.as_bytes().to_vec()),
            "cstring" => unescaped(content),
            "base64" => STANDARD.decode(content).ok(),
            _ => return Err("its Grip-Keep-Alive has a format that is none"),
        };
        let content = content.filter(|content| !content.is_empty());
        kept.content = content
            .ok_or("its Grip-Keep-Alive has a content that is none")?
            .into();
        Ok(kept)
    }
}

fn channels(headers: &HeaderMap) -> Result<Vec<Subscribe>, &'static str> {
    let mut channels = Vec::new();
    let user = user(headers)?;
    for value in all(headers, "grip-channel")? {
        for element in split(value, ',', &['"']) {
            let mut parts = split(element, ';', &['"']).into_iter();
            let mut channel = Subscribe {
                name: unquoted(parts.next().unwrap_or_default()),
                prev_id: None,
                is_not: None,
            };
            for (name, value) in parts.map(parameter) {
                match name {
                    "prev-id" => channel.prev_id = Some(value),
                    "filter" if value == "skip-self" => channel.is_not.clone_from(&user),
                    _ => {}
                }
            }
            channels.push(channel);
        }
    }
    Ok(channels)
}

/// Who the client is, as far as it does not get what it has published itself.
fn user(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut user = None;
    for value in all(headers, "grip-set-meta")? {
        for element in split(value, ',', &['"']) {
            let (name, value) = parameter(element);
            if name.is_empty() {
                return Err("its Grip-Set-Meta has no name");
            }
            if name == "user" {
                user = Some(value);
            }
        }
    }
    Ok(user)
}

fn next(headers: &HeaderMap) -> Result<Option<Next>, &'static str> {
    let mut next = None;
    for value in all(headers, "grip-link")? {
        for element in split(value, ',', &['"', '<']) {
            let mut parts = split(element, ';', &['"', '<']).into_iter();
            let link = parts.next().unwrap_or_default();
            let parameters: Vec<_> = parts.map(parameter).collect();
            if !parameters
                .iter()
                .any(|(name, value)| *name == "rel" && value == "next")
            {
                continue;
            }
            let link = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix('>'));
            let link = link.filter(|link| !link.is_empty());
            let mut timeout = LINK_WAIT;
            if let Some((_, value)) = parameters.iter().find(|(name, _)| *name == "timeout") {
                timeout = seconds(value).ok_or("its Grip-Link has a timeout that is none")?;
            }
            next = Some(Next {
                link: link.ok_or("its Grip-Link has no link")?.to_owned(),
                timeout,
            });
        }
    }
    Ok(next)
}

/// A status, behind which its reason may stand.
fn status(value: &str) -> Result<StatusCode, &'static str> {
    let code = value.split(' ').next().unwrap_or_default();
    let status = StatusCode::try_from(code.as_bytes()).ok();
    let status = status.filter(|status| !status.is_informational());
    status.ok_or("its Grip-Status is no status of an answer")
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()).max(SHORTEST))
}

/// The value of a field, the first where there are several.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    Ok(all(headers, name)?.into_iter().next())
}

/// The values of a field.
fn all<'a>(headers: &'a HeaderMap, name: &str) -> Result<Vec<&'a str>, &'static str> {
    let values = headers.get_all(name).iter();
    let texts = values.map(|value| std::str::from_utf8(value.as_bytes()).map(str::trim));
    let texts: Result<_, _> = texts.collect();
    texts.map_err(|_| "a Grip- field of its is not UTF-8")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Result<Option<Instruct>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let instruct = Instruct::take(&mut headers);
        let is_left = |name: &HeaderName| name.as_str().starts_with("grip-");
        assert!(!headers.keys().any(is_left), "{headers:?}");
        instruct
    }

    fn plain(mode: Mode, names: &[&str]) -> Instruct {
        let channel = |name: &&str| Subscribe {
            name: (*name).to_owned(),
            prev_id: None,
            is_not: None,
        };
        Instruct {
            mode: Some(mode),
            channels: names.iter().map(channel).collect(),
            timeout: Duration::from_secs(55),
            keep_alive: None,
            status: None,
            next: None,
        }
    }

    #[test]
    fn how_a_request_is_held_is_read() {
        assert_eq!(read(&[("content-type", "text/plain")]), Ok(None));
        let stream = |lines: &[(&'static str, &'static str)]| {
            read(&[&[("grip-hold", "stream"), ("grip-channel", "a")], lines].concat())
        };
        assert_eq!(stream(&[]), Ok(Some(plain(Mode::Stream, &["a"]))));
        let response = read(&[
            ("grip-hold", "response"),
            (
                "grip-channel",
                "a; prev-id=1, \"b,\\\"c\"; filter=skip-self ;prev-id=\"2;\"",
            ),
            ("grip-channel", "a, d"),
            ("grip-set-meta", "other=x, user=\"me, \\\"myself\\\"\""),
            ("grip-timeout", "7"),
            ("grip-status", "201 Made"),
        ]);
        let mut expected = plain(Mode::Response, &["a", "b,\"c", "d"]);
        let [first, second, _] = expected.channels.as_mut_slice() else {
            panic!("{expected:?}");
        };
        first.prev_id = Some("1".to_owned());
        second.prev_id = Some("2;".to_owned());
        second.is_not = Some("me, \"myself\"".to_owned());
        expected.timeout = Duration::from_secs(7);
        expected.status = Some(StatusCode::CREATED);
        assert_eq!(response, Ok(Some(expected)));
        // No more than a client of a WebSocket may be on.
        let many = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21";
        let many = read(&[("grip-hold", "stream"), ("grip-channel", many)]);
        assert_eq!(many.unwrap().unwrap().channels.len(), MOST_CHANNELS);
        let none = read(&[("grip-channel", "a"), ("grip-timeout", "0")]);
        let none = none.unwrap().unwrap();
        assert_eq!((none.mode, none.timeout), (None, SHORTEST));
    }

    #[test]
    fn a_keep_alive_is_read_in_each_of_its_formats() {
        let keep_alive = |value| {
            let held = [("grip-hold", "stream"), ("grip-channel", "a")];
            let all = [&held[..], &[("grip-keep-alive", value)]].concat();
            read(&all).map(|instruct| instruct.unwrap().keep_alive.unwrap())
        };
        let expected = |content: &'static [u8], seconds, is_interval| {
            Ok(KeepAlive {
                content: Bytes::from_static(content),
                timeout: Duration::from_secs(seconds),
                is_interval,
            })
        };
        assert_eq!(keep_alive("hi"), expected(b"hi", 55, false));
        assert_eq!(keep_alive("a\\n; format=raw"), expected(b"a\\n", 55, false));
        assert_eq!(
            keep_alive("\\x3a\\r\\n\\\\; format=cstring; timeout=20; mode=idle"),
            expected(b":\r\n\\", 20, false)
        );
        assert_eq!(
            keep_alive("AP8=; format=base64; timeout=0; mode=interval"),
            expected(b"\0\xff", 1, true)
        );
        for wrong in [
            "",
            "; timeout=5",
            "a; format=x",
            "a; mode=x",
            "a; timeout=x",
            "a; timeout=-1",
            "%; format=base64",
            "\\; format=cstring",
            "\\y; format=cstring",
            "\\x0; format=cstring",
            "\\x0g; format=cstring",
        ] {
            let error = keep_alive(wrong).unwrap_err();
            assert!(error.contains("Grip-Keep-Alive"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_link_is_read_where_it_is_the_next() {
        let link = |value| read(&[("grip-link", value)]).map(|instruct| instruct.unwrap().next);
        let next = |link: &str, seconds| {
            Ok(Some(Next {
                link: link.to_owned(),
                timeout: Duration::from_secs(seconds),
            }))
        };
        assert_eq!(link("</a?b=c,d;e>; rel=next"), next("/a?b=c,d;e", 120));
        assert_eq!(link("</a>; timeout=5; rel=\"next\""), next("/a", 5));
        assert_eq!(link("</a>; rel=gone, </b>; rel=next"), next("/b", 120));
        assert_eq!(link("</a>; rel=prev"), Ok(None));
        assert_eq!(link("</a>"), Ok(None));
        for wrong in ["/a; rel=next", "<>; rel=next", "</a>; rel=next; timeout=x"] {
            assert!(link(wrong).unwrap_err().contains("Grip-Link"), "{wrong}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (lines, named) in [
            (&[("grip-hold", "forever")][..], "Grip-Hold"),
            (&[("grip-hold", "stream")], "Grip-Channel"),
            (
                &[("grip-hold", "stream"), ("grip-channel", "")],
                "Grip-Channel",
            ),
            (
                &[("grip-hold", "stream"), ("grip-channel", "a,, b")],
                "Grip-Channel",
            ),
            (
                &[("grip-hold", "stream"), ("grip-channel", "a; prev-id=1")],
                "Grip-Link",
            ),
            (&[("grip-timeout", "soon")], "Grip-Timeout"),
            (&[("grip-timeout", "-1")], "Grip-Timeout"),
            (&[("grip-status", "1000")], "Grip-Status"),
            (&[("grip-status", "101 x")], "Grip-Status"),
            (&[("grip-set-meta", "=x")], "Grip-Set-Meta"),
        ] {
            let error = read(lines).unwrap_err();
            assert!(error.contains(named), "{lines:?}: {error}");
        }
        let mut headers = HeaderMap::new();
        headers.append("grip-channel", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(Instruct::take(&mut headers).is_err());
    }
}
