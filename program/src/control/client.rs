//! The client of a control listener.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::token::Token;

/// The timeout of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The address of a control listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// HOST:PORT.
    Tcp(String),
    Unix(PathBuf),
}

/// A client of a control listener.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: Address,
    pub(crate) token: Option<Token>,
}

/// The reason for a failed request.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("{0}; is there a server, with --control?")]
    Connect(io::Error),
    #[error("there was no answer in time")]
    Timeout,
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is invalid: {0}")]
    Answer(#[from] serde_json::Error),
    /// The listener has answered with an error.
    #[error("{detail} ({status})")]
    Refused { status: StatusCode, detail: String },
}

impl Address {
    /// Parses an address: `unix:PATH` or `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// The text is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(Path::new(path).into()));
        }
        let has_port = text
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        match has_port {
            true if text.starts_with(':') => Ok(Self::Tcp(format!("127.0.0.1{text}"))),
            true => Ok(Self::Tcp(text.to_owned())),
            false => Err("write unix:PATH or HOST:PORT".to_owned()),
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Tcp(address) => address,
            Self::Unix(_) => "localhost",
        }
    }
}

impl Client {
    /// Sends a request and returns the JSON of the answer.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is an error.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let text = self.text(method, path, body).await?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Sends a request and returns the text of the answer.
    pub(crate) async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, ClientError> {
        let asked = async {
            let body = self.send(method, path, body).await?;
            Ok(body.collect().await?.to_bytes())
        };
        timeout(PATIENCE, asked)
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    /// Sends a request whose answer is streamed.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is an error.
    pub(crate) async fn open(&self, path: &str, body: &Value) -> Result<Incoming, ClientError> {
        let opened = self.send(Method::POST, path, Some(body));
        timeout(PATIENCE, opened)
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    /// Sends a request, and returns the body of a successful answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Incoming, ClientError> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.map_err(ClientError::Connect)?;
                self.ask_over(stream, method, path, body).await
            }
            Address::Unix(path_of) => {
                let stream = UnixStream::connect(path_of).await;
                let stream = stream.map_err(ClientError::Connect)?;
                self.ask_over(stream, method, path, body).await
            }
        }
    }

    async fn ask_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Incoming, ClientError> {
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends with the answer.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.host())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.as_str()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body)));
        let refused = |status, detail: String| ClientError::Refused { status, detail };
        let request =
            request.map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await?.to_bytes();
        let problem: Option<Value> = serde_json::from_slice(&body).ok();
        let detail = problem.as_ref().and_then(|problem| problem.get("detail"));
        let detail = detail.and_then(Value::as_str).map(str::to_owned);
        let detail = detail.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
        Err(refused(status, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_unix_socket_or_a_tcp_address() {
        let unix = Address::Unix("/run/control.sock".into());
        assert_eq!(Address::parse("unix:/run/control.sock"), Ok(unix));
        for (text, expected) in [
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            (":9000", "127.0.0.1:9000"),
            ("[::1]:9000", "[::1]:9000"),
            ("ops.example:9000", "ops.example:9000"),
        ] {
            assert_eq!(Address::parse(text), Ok(Address::Tcp(expected.into())));
        }
        for wrong in ["", "unix:", "127.0.0.1", "127.0.0.1:x", "9000"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
