//! `load-http ADDR SIZE CONNECTIONS MILLISECONDS`: requests `/SIZE` repeatedly on each of several
//! connections, and prints the number of answers. A connection that its server announces to close
//! after an answer is replaced by a new one.

use std::cell::Cell;
use std::env;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use polysock_bench_peers::BoxError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};

/// The fields of a typical browser's request.
const FIELDS: &str = "Host: localhost\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";

const CLOSE: &[u8] = b"\r\nconnection: close\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, size, connections, milliseconds] = &arguments[..] else {
        return Err("ADDR SIZE CONNECTIONS MILLISECONDS".into());
    };
    let request = format!("GET /{size} HTTP/1.1\r\n{FIELDS}");
    let (size, count) = (size.parse()?, Rc::new(Cell::new(0_u64)));
    let end = Instant::now() + Duration::from_millis(milliseconds.parse()?);
    let tasks = LocalSet::new();
    for _ in 0..connections.parse()? {
        let mut stream = connect(address).await?;
        let (address, request, count) = (address.clone(), request.clone(), Rc::clone(&count));
        tasks.spawn_local(async move {
            let asking = async {
                loop {
                    let is_last = ask(&mut stream, request.as_bytes(), size).await?;
                    count.set(count.get() + 1);
                    if is_last {
                        stream = connect(&address).await?;
                    }
                }
            };
            let ended: Result<Result<(), BoxError>, _> = timeout_at(end, asking).await;
            if let Ok(Err(error)) = ended {
                eprintln!("{error}");
                std::process::exit(1);
            }
        });
    }
    tasks.await;
    println!("{}", count.get());
    Ok(())
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads its whole answer. Returns true if the server closes the connection
/// after it.
async fn ask(stream: &mut TcpStream, request: &[u8], size: usize) -> Result<bool, BoxError> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(size + 1024);
    let head = loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("closed".into());
        }
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
    };
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(&answer[..head]).into());
    }
    while answer.len() < head + size {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("closed".into());
        }
    }
    let mut lines = answer[..head].windows(CLOSE.len());
    Ok(lines.any(|bytes| bytes.eq_ignore_ascii_case(CLOSE)))
}
