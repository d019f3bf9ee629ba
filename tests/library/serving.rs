//! A gateway in a runtime that also runs other tasks.

use std::future::pending;

use polysock::apps::echo;
use polysock::protocols::find_protocol;
use polysock::{Accept, BoxError, CloseCode, Gateway, Handshake};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::{Member, Way};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

#[tokio::test]
async fn serving_ends_with_its_connections_although_other_tasks_run() {
    // A task that has nothing to do with the gateway.
    tokio::spawn(pending::<()>());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let deadline = 10 * PATIENCE;
    let serving = tokio::spawn(Gateway::new(echo).serve(listener, shutdown, deadline));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut client = Member::open(Box::new(stream), find_protocol("rfc6455").unwrap()).await;
    client.send("Hello").await;
    assert_eq!(client.text().await, "Hello");
    stop.send(()).unwrap();
    assert_eq!(client.message().await, None);
    let close = client.closed().close.as_ref().unwrap();
    assert_eq!(close.code, CloseCode::GOING_AWAY);
    client.ended().await;
    drop(client);
    let drained = timeout(PATIENCE, serving).await;
    let drained = drained.expect("it waits for tasks that are not its own");
    assert_eq!(drained.unwrap().cut, 0);
}

#[tokio::test]
async fn an_application_that_panics_ends_its_connection_alone() {
    let app = async |handshake: Handshake| -> Result<(), BoxError> {
        let mut connection = handshake.accept(Accept::default()).await?;
        let answered = connection.answer(|message, answers| {
            assert!(message.as_bytes() != b"panic", "as it was told to");
            Ok::<_, BoxError>(answers.send(message)?)
        });
        answered.await
    };
    let gateway = Gateway::new(app);
    for name in ["rfc6455", "hixie-76"] {
        let protocol = find_protocol(name).unwrap();
        let mut quiet = Member::open(Way::Memory(1024).go(gateway.clone()).await, protocol).await;
        let mut panicking =
            Member::open(Way::Memory(1024).go(gateway.clone()).await, protocol).await;
        panicking.send("panic").await;
        assert_eq!(panicking.message().await, None);
        if name == "rfc6455" {
            let close = panicking.closed().close.as_ref().unwrap();
            assert_eq!(close.code, CloseCode::INTERNAL_ERROR);
        }
        quiet.send("still here").await;
        assert_eq!(quiet.text().await, "still here");
    }
}
