//! What the peers share: one thread, and a listener whose connections are served as they come.

use std::env;
use std::future::Future;
use std::io;

use tokio::net::{TcpListener, TcpStream};

/// Whatever ends a connection; it is not looked at.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Listens on the address of the first argument and serves each connection in a task of its own.
///
/// # Errors
///
/// If there is no such argument, or it cannot be listened on.
pub async fn listen<F, T>(serve: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> T,
    T: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let address = env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}
