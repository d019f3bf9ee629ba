//! A gateway in the runtime of somebody else, who has other tasks.

use std::future::pending;

use polysock::apps::echo;
use polysock::protocols::find_protocol;
use polysock::{CloseCode, Gateway};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::Member;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

#[tokio::test]
async fn serving_ends_when_its_connections_have_ended_whatever_else_goes_on() {
    // Another task, which has nothing to do with the gateway.
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
