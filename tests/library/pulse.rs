//! The pulse of workers, which shows whether they make progress.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polysock::{BoxError, Gateway, Handshake, ListenAddress, PortSettings, Site, Workers};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::opening::RFC6455;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Blocks its thread until the test releases it.
async fn hang(wait: Arc<Mutex<Receiver<()>>>, _: Handshake) -> Result<(), BoxError> {
    wait.lock().unwrap().recv()?;
    Ok(())
}

#[test]
fn a_hanging_worker_has_no_pulse_and_an_ended_one_does_not_block_others() {
    let (go, wait) = mpsc::channel();
    let wait = Arc::new(Mutex::new(wait));
    let hangs = move |handshake: Handshake| hang(Arc::clone(&wait), handshake);
    let gateway = Gateway::with_site(Site::new(hangs), PortSettings::default());
    let mut workers = Workers::start(2, Duration::ZERO).unwrap();
    let any = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
    let Ok(ListenAddress::Tcp(address)) = workers.listen(&any, &gateway) else {
        panic!("there is a port");
    };
    let pulse = workers.pulse();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let beats = |limit| {
        let beat = async { timeout(limit, pulse.beat()).await.is_ok() };
        runtime.block_on(beat)
    };
    assert!(beats(PATIENCE));
    let mut client = Client::connect(address);
    client.send(RFC6455);
    // The kernel decides which worker accepts the client, and when.
    while beats(Duration::from_millis(100)) {}
    go.send(()).unwrap();
    assert!(beats(PATIENCE));
    workers.stop();
    workers.join().unwrap();
    assert!(beats(PATIENCE));
}
