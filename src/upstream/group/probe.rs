//! The probe of a target, which is one health check.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use bytes::BytesMut;
use polysock_protocols::http::HeadWriter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::transport::Alpn;
use crate::upstream::UpstreamSettings;
use crate::upstream::connector::Connector;
use crate::upstream::location::{Location, strip_scheme};

/// The probe of a target, which is one health check.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    at: At,
}

/// The place that is probed.
#[derive(Clone, Debug)]
enum At {
    Tcp(Connector),
    Unix(PathBuf),
    Http { connector: Connector, host: String },
}

/// The number of bytes of an answer that are searched for the end of its first line.
const MAX_LINE: usize = 8 * 1024;

impl Probe {
    /// Creates the probe for a target with this URL; `None` if the URL names nothing to connect to.
    pub(super) fn parse(url: &str, settings: &UpstreamSettings) -> Option<Self> {
        Some(Self {
            at: At::parse(url, settings)?,
        })
    }

    /// Probes the target. A web server is sent a request if there is a path, and must answer with
    /// one of the expected statuses. Any other target must accept a connection.
    ///
    /// # Errors
    ///
    /// The reason why the probe fails.
    pub(super) async fn run(
        &self,
        path: Option<&str>,
        expected: &[RangeInclusive<u16>],
    ) -> Result<(), String> {
        let (connector, host) = match &self.at {
            At::Unix(path) => {
                let connected = UnixStream::connect(path).await;
                return connected.map(drop).map_err(|error| error.to_string());
            }
            At::Tcp(connector) => (connector, None),
            At::Http { connector, host } => (connector, Some(host)),
        };
        let connected = connector.connect(None).await;
        let stream = connected.map_err(|error| error.to_string())?;
        let (Some(path), Some(host)) = (path, host) else {
            return Ok(());
        };
        let status = ask(stream, path, host).await;
        match status.map_err(|error| error.to_string())? {
            Some(status) if expected.iter().any(|range| range.contains(&status)) => Ok(()),
            Some(status) => Err(format!("the answer has status {status}")),
            None => Err("the answer is not HTTP".into()),
        }
    }
}

impl At {
    fn parse(url: &str, settings: &UpstreamSettings) -> Option<Self> {
        if let Some(rest) = strip_scheme("unix:", url) {
            return Some(Self::Unix(rest.strip_prefix("//").unwrap_or(rest).into()));
        }
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = scheme.split('+').next()?;
        let is_tls = ["tls", "wss", "https"].contains(&scheme);
        let location = Location::read(url, rest, is_tls).ok()?;
        let connector = |alpn| Connector::new(url, &location, settings, alpn).ok();
        match scheme {
            "tcp" | "tls" => Some(Self::Tcp(connector(Alpn::Unsaid)?)),
            "ws" | "wss" | "http" | "https" => Some(Self::Http {
                connector: connector(Alpn::Http)?,
                host: location.host().to_string(),
            }),
            _ => None,
        }
    }
}

/// Requests a path from a web server and returns the status of its answer; `None` if the answer is
/// not HTTP.
async fn ask(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    path: &str,
    host: &str,
) -> io::Result<Option<u16>> {
    let mut request = BytesMut::new();
    HeadWriter::new(&mut request, &format!("GET {path} HTTP/1.1"))
        .field("Host", host)
        .field("User-Agent", "polysock")
        .field("Connection", "close")
        .finish();
    stream.write_all(&request).await?;
    let mut answer = BytesMut::new();
    while !answer.contains(&b'\n') && answer.len() < MAX_LINE {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    let mut words = (*answer).split(u8::is_ascii_whitespace);
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| std::str::from_utf8(word).ok());
    let status = status.filter(|_| version.starts_with(b"HTTP/1."));
    Ok(status.and_then(|status| status.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_web_server_is_asked_for_a_path_and_its_status_counts() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Ok(Some(200))),
            (b"HTTP/1.0 503\r\n\r\n", Ok(Some(503))),
            (b"HTTP/1.1 200 OK", Ok(Some(200))),
            (b"SSH-2.0-x 200\r\n", Ok(None)),
            (b"HTTP/1.1 OK\r\n", Ok(None)),
            (b"", Ok(None)),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let asking = ask(ours, "/health", "a.example:81");
            let answering = async {
                let mut request = BytesMut::new();
                while !request.ends_with(b"\r\n\r\n") {
                    theirs.read_buf(&mut request).await.unwrap();
                }
                theirs.write_all(answer).await.unwrap();
                drop(theirs);
                request
            };
            let (status, request) = tokio::join!(asking, answering);
            assert_eq!(status.map_err(|error| error.kind()), expected);
            assert!(request.starts_with(b"GET /health HTTP/1.1\r\nHost: a.example:81\r\n"));
        }
    }
}
