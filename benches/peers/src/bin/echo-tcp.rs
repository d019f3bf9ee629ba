//! `echo-tcp ADDR`: the backend of bridges to a byte stream, which echoes the received bytes.

use std::io;

use polysock_bench_peers::{BoxError, listen};
use tokio::io::{BufReader, copy_buf};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    listen(echo).await
}

async fn echo(mut stream: TcpStream) -> Result<(), BoxError> {
    let (read, mut write) = stream.split();
    // The buffer is large enough to return a message of the cases in one write.
    let mut read = BufReader::with_capacity(64 * 1024, read);
    copy_buf(&mut read, &mut write).await?;
    Ok(())
}
