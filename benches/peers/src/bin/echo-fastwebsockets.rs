//! `echo-fastwebsockets ADDR`: an echo server with fastwebsockets and hyper, like the example in
//! the fastwebsockets repository.

use std::io;

use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use polysock_bench_peers::{BoxError, listen};
use tokio::net::TcpStream;
use tokio::task::unconstrained;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    listen(serve).await
}

async fn serve(stream: TcpStream) -> Result<(), BoxError> {
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .with_upgrades()
        .await?;
    Ok(())
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, BoxError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(unconstrained(echo(upgraded)));
    Ok(response)
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result<(), BoxError> {
    let mut connection = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = connection.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => connection.write_frame(frame).await?,
            _ => {}
        }
    }
}
