//! The response fields that begin with `Grip-`, by which a web app holds a request.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};

use super::parameters::{parameter, split, unescaped, unquoted};

/// The limit of channels for one held request.
const MOST_CHANNELS: usize = 20;

/// The default time that a request waits for its response, and the default timeout of a stream's
/// keep-alive.
pub(super) const WAIT: Duration = Duration::from_secs(55);

/// The default time after which a stream requests its next link.
const LINK_WAIT: Duration = Duration::from_secs(120);

/// The minimum of these times.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// The instructions of a web app for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruct {
    /// The kind of hold; `None` if the request is not held.
    pub(super) mode: Option<Mode>,
    pub(super) channels: Vec<Subscribe>,
    /// The time that the request waits for its response.
    pub(super) timeout: Duration,
    /// The keep-alive of a stream.
    pub(super) keep_alive: Option<KeepAlive>,
    /// The status for the client; `None` keeps the web app's.
    pub(super) status: Option<StatusCode>,
    /// The link at which a stream continues.
    pub(super) next: Option<Next>,
}

/// The kind of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Sends the response, followed by the publications.
    Stream,
    /// Waits for a publication, which becomes the response. After the timeout, the web app's own
    /// response is sent.
    Response,
}

/// A channel on which a request is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscribe {
    pub(super) name: String,
    /// The id of the last publication on the channel that the client has received.
    pub(super) prev_id: Option<String>,
    /// The user whose publications are not delivered.
    pub(super) is_not: Option<String>,
}

/// Content for a stream on which nothing was sent for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeepAlive {
    pub(super) content: Bytes,
    pub(super) timeout: Duration,
    /// Whether the content is sent regularly, even if publications were sent.
    pub(super) is_interval: bool,
}

/// The link at which a stream continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The link, unchanged from the web app.
    pub(super) link: String,
    /// The time after which the link is requested, unless all channels have had a publication
    /// meanwhile.
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
    /// Removes the `Grip-` fields from a response and reads them; `None` if there are none.
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
            Some(text) => seconds(text).ok_or("its Grip-Timeout is not a number of seconds")?,
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

    /// Checks the instructions as a whole, and omits channels beyond the limit.
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
            return Err("it has a Grip-Hold but no Grip-Channel");
        }
        let mut channels = self.channels.iter();
        let is_numbered = channels.any(|channel| channel.prev_id.is_some());
        if self.mode == Some(Mode::Stream) && is_numbered && self.next.is_none() {
            return Err(
                "its Grip-Channel has a prev-id, but there is no Grip-Link with the next part of the stream",
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
                        timeout.ok_or("the timeout of its Grip-Keep-Alive is not valid")?;
                }
                "mode" => match &*value {
                    "idle" => kept.is_interval = false,
                    "interval" => kept.is_interval = true,
                    _ => return Err("the mode of its Grip-Keep-Alive is unknown"),
                },
                _ => {}
            }
        }
        let content = match &*format {
            "raw" => Some(content.as_bytes().to_vec()),
            "cstring" => unescaped(content),
            "base64" => STANDARD.decode(content).ok(),
            _ => return Err("the format of its Grip-Keep-Alive is unknown"),
        };
        let content = content.filter(|content| !content.is_empty());
        kept.content = content
            .ok_or("the content of its Grip-Keep-Alive is not valid")?
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

/// Returns the user of the client, for the filter `skip-self`.
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
                timeout = seconds(value).ok_or("the timeout of its Grip-Link is not valid")?;
            }
            next = Some(Next {
                link: link.ok_or("its Grip-Link has no URL")?.to_owned(),
                timeout,
            });
        }
    }
    Ok(next)
}

/// Reads a status, which a reason may follow.
fn status(value: &str) -> Result<StatusCode, &'static str> {
    let code = value.split(' ').next().unwrap_or_default();
    let status = StatusCode::try_from(code.as_bytes()).ok();
    let status = status.filter(|status| !status.is_informational());
    status.ok_or("its Grip-Status is not a status of an answer")
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()).max(SHORTEST))
}

/// Returns the value of a field; the first if there are several.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    Ok(all(headers, name)?.into_iter().next())
}

/// Returns all values of a field.
fn all<'a>(headers: &'a HeaderMap, name: &str) -> Result<Vec<&'a str>, &'static str> {
    let values = headers.get_all(name).iter();
    let texts = values.map(|value| std::str::from_utf8(value.as_bytes()).map(str::trim));
    let texts: Result<_, _> = texts.collect();
    texts.map_err(|_| "one of its Grip- fields is not UTF-8")
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
    fn grip_fields_are_read_as_hold_instructions() {
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
        // The same limit as for clients of WebSockets.
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
    fn a_link_is_read_if_its_relation_is_next() {
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
    fn an_error_names_the_invalid_grip_field() {
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
