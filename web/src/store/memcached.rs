//! Sessions in memcached.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::SessionStore;
use crate::php::MAX_BYTES;
use crate::session::SessionError;

/// Sessions in memcached, read by its text protocol: with the key `memc.sess.key.ID` as
/// php-memcached writes them, or with another prefix. Compressed values are not read.
#[derive(Clone, Debug)]
pub struct Memcached {
    place: Arc<str>,
    address: Arc<str>,
    prefix: Arc<str>,
    /// Connections that are not in use.
    idle: Arc<Mutex<Vec<BufReader<TcpStream>>>>,
}

/// The largest number of idle connections.
const MAX_IDLE: usize = 8;

/// The longest key, in bytes.
const MAX_KEY: usize = 250;

/// The longest line of an answer, in bytes: `VALUE KEY FLAGS LENGTH`.
const MAX_LINE: u64 = 512;

impl Memcached {
    /// Creates the sessions of the server at `HOST:PORT`, with the prefix of php-memcached.
    pub fn new(address: &str) -> Self {
        Self {
            place: format!("memcached://{address}").into(),
            address: address.into(),
            prefix: "memc.sess.key.".into(),
            idle: Arc::default(),
        }
    }

    /// Sets the prefix: `sf2s` for Symfony.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
            ..self
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Bytes>, SessionError> {
        let key = format!("{}{id}", self.prefix);
        if key.len() > MAX_KEY {
            return Ok(None);
        }
        let kept = self.idle().pop();
        if let Some(connection) = kept {
            match self.ask(connection, &key).await {
                Err(SessionError::Unavailable(_)) => {}
                answer => return answer,
            }
            // The server has closed this connection in the meantime, and possibly all others.
            self.idle().clear();
        }
        let connection = TcpStream::connect(&*self.address).await;
        let connection = connection.map_err(|error| unavailable(&error))?;
        connection.set_nodelay(true).ok();
        self.ask(BufReader::new(connection), &key).await
    }

    /// Requests a key, and keeps the connection if the answer is complete.
    async fn ask(
        &self,
        mut connection: BufReader<TcpStream>,
        key: &str,
    ) -> Result<Option<Bytes>, SessionError> {
        let answer = get(&mut connection, key).await;
        let answer = answer.map_err(|error| unavailable(&error))?;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !matches!(answer, Answer::TooLong(_)) {
            idle.push(connection);
        }
        drop(idle);
        match answer {
            Answer::Nothing => Ok(None),
            Answer::Value { flags: 0, data } => Ok(Some(data)),
            Answer::Value { flags, .. } => Err(SessionError::Broken(format!(
                "the value is compressed, or not a string (its flags are {flags}): turn \
                 Memcached::OPT_COMPRESSION off"
            ))),
            Answer::TooLong(text) => Err(SessionError::Broken(text)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<BufReader<TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for Memcached {
    fn place(&self) -> &str {
        &self.place
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        Box::pin(self.read(id))
    }
}

/// The answer of a server to `get`.
enum Answer {
    Nothing,
    Value {
        flags: u32,
        data: Bytes,
    },
    /// The value exceeds the limit and was not read, so the connection cannot be used again.
    TooLong(String),
}

/// Sends `get KEY`, and reads the answer: `VALUE KEY FLAGS LENGTH`, the data, and `END`.
async fn get(connection: &mut BufReader<TcpStream>, key: &str) -> io::Result<Answer> {
    let request = format!("get {key}\r\n");
    connection.write_all(request.as_bytes()).await?;
    let first = line(connection).await?;
    let words: Vec<&str> = first.split(' ').collect();
    let (flags, length) = match *words {
        ["END"] => return Ok(Answer::Nothing),
        ["VALUE", named, flags, length] if named == key => (flags.parse(), length.parse()),
        _ => {
            return Err(io::Error::other(
                "the server does not speak the protocol of memcached",
            ));
        }
    };
    let (Ok(flags), Ok(length)) = (flags, length) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if length > MAX_BYTES {
        let text = format!("{length} bytes are over the limit of {MAX_BYTES}");
        return Ok(Answer::TooLong(text));
    }
    let mut data = vec![0; length];
    connection.read_exact(&mut data).await?;
    if !line(connection).await?.is_empty() || line(connection).await? != "END" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let data = data.into();
    Ok(Answer::Value { flags, data })
}

/// Reads a line, and returns it without its end.
async fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    connection.take(MAX_LINE).read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn unavailable(error: &io::Error) -> SessionError {
    SessionError::Unavailable(error.to_string())
}
