//! `echo-tls ADDR CERTIFICATE KEY`: a TLS server that echoes the received bytes without parsing
//! them.

use std::env;
use std::io;
use std::sync::Arc;

use polysock_bench_peers::{BoxError, listen};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let [certificate, key] = [2, 3].map(|at| env::args().nth(at).unwrap_or_default());
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key)?));
    listen(move |stream| echo(acceptor.clone(), stream)).await?;
    Ok(())
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream) -> Result<(), BoxError> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // A read returns the bytes that are already decrypted without waiting for more.
        let count = match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.write_all(&buffer[..count]).await?;
        stream.flush().await?;
    }
}
