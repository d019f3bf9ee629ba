//! `proxy-tcp ADDR BACKEND`: forwards bytes to a backend and back.

use std::env;
use std::io;

use polysock_bench_peers::{BoxError, listen};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let backend = env::args().nth(2).ok_or(io::ErrorKind::InvalidInput)?;
    listen(|stream| proxy(stream, backend.clone())).await
}

async fn proxy(mut stream: TcpStream, backend: String) -> Result<(), BoxError> {
    let mut upstream = TcpStream::connect(backend).await?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut upstream).await?;
    Ok(())
}
