//! Lent sockets: short published messages are written directly to the sockets of idle connections,
//! without waking a task.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use polysock::protocols::find_protocol;
use polysock::{
    Accept, BoxError, Broadcast, CloseCode, Gateway, Handshake, Message, Overflow, Queue,
};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::{Member, numbered};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The state that the subscribers of a broadcast share.
#[derive(Clone)]
struct Party {
    line: Broadcast,
    queue: Queue,
    /// The number of polls of the subscribers' tasks.
    polls: Arc<AtomicUsize>,
    /// Lets a subscriber send a message of its own, and wait.
    cue: Arc<Notify>,
    /// Lets the waiting subscriber continue.
    resume: Arc<Notify>,
}

impl Party {
    fn new(queue: Queue) -> Self {
        Self {
            line: Broadcast::new(),
            queue,
            polls: Arc::default(),
            cue: Arc::default(),
            resume: Arc::default(),
        }
    }

    /// Serves connections that answer each message with the number of bytes sent so far.
    async fn serve(&self) -> SocketAddr {
        let party = self.clone();
        let gateway = Gateway::new(move |handshake: Handshake| {
            let Self {
                line,
                queue,
                polls,
                cue,
                resume,
            } = party.clone();
            async move {
                let mut connection = handshake.accept(Accept::default()).await?;
                let mut subscription = line.subscribe(queue);
                connection.start_send_piece(Message::from("ready").into())?;
                loop {
                    let mut next = Box::pin(subscription.next(&mut connection));
                    let polls = &polls;
                    let next = poll_fn(move |cx| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        next.as_mut().poll(cx)
                    });
                    let message = tokio::select! {
                        message = next => message,
                        () = cue.notified() => {
                            connection.start_send_piece(Message::from("said").into())?;
                            line.publish("published".into());
                            // Meanwhile the task of another connection could write.
                            resume.notified().await;
                            continue;
                        }
                    };
                    if message.transpose()?.is_none() {
                        return Ok::<_, BoxError>(());
                    }
                    let sent = connection.traffic().sent.to_string();
                    connection.start_send_piece(Message::text(sent).into())?;
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // A small buffer on the transport.
        SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(gateway.serve(listener, pending(), Duration::ZERO));
        address
    }
}

/// Connects with a small receive buffer, and waits until the client is subscribed.
async fn join(address: SocketAddr) -> Member {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut member = Member::open(Box::new(stream), find_protocol("rfc6455").unwrap()).await;
    assert_eq!(member.text().await, "ready");
    member
}

/// Sockets are lent from the first message on.
#[tokio::test]
async fn only_the_first_short_message_wakes_a_task() {
    let party = Party::new(Queue::default());
    let address = party.serve().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(join(address).await);
    }
    let mut before = 0;
    for number in 0..100 {
        party.line.publish(numbered(number, 100));
        for client in &mut clients {
            assert_eq!(client.number().await, Some(number));
        }
        if number == 0 {
            before = party.polls.load(Ordering::Relaxed);
        }
    }
    assert_eq!(party.polls.load(Ordering::Relaxed), before);
    // The bytes written that way are counted.
    clients[0].send("how much?").await;
    let sent = "ready".len() + 2 + 100 * (100 + 2);
    assert_eq!(clients[0].text().await, sent.to_string());
}

#[tokio::test]
async fn an_accepted_message_is_sent_before_later_publications() {
    let party = Party::new(Queue::default());
    let mut client = join(party.serve().await).await;
    // The second subscriber is published to after the first, and is not cued. Once it has received
    // a message, the first subscriber has been served.
    let beside = Party {
        cue: Arc::default(),
        ..party.clone()
    };
    let mut witness = join(beside.serve().await).await;
    for _ in 0..3 {
        party.cue.notify_one();
        assert_eq!(witness.text().await, "published");
        party.resume.notify_one();
        assert_eq!(client.text().await, "said");
        assert_eq!(client.text().await, "published");
    }
}

#[tokio::test]
async fn a_stalling_client_gets_whole_messages_in_order_and_delays_no_other() {
    const LAST: u32 = 20_000;
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let party = Party::new(Queue {
            messages: 50,
            overflow,
            ..Queue::default()
        });
        let address = party.serve().await;
        let mut slow = join(address).await;
        let mut quick = join(address).await;
        let mut next = 0;
        for number in 0..=LAST {
            party
                .line
                .publish(numbered(number, 64 + number as usize % 100));
            if number % 20 == 19 || number == LAST {
                while next <= number {
                    assert_eq!(quick.number().await, Some(next));
                    next += 1;
                }
            }
        }
        let mut received = Vec::new();
        while let Ok(number) = timeout(Duration::from_millis(300), slow.number()).await {
            received.push(number.expect("a message"));
        }
        assert!(received.is_sorted_by(|one, next| one < next));
        let missed = LAST as usize + 1 - received.len();
        assert!(missed > 1000, "{missed} of {LAST} were missed");
        let has_last = received.last() == Some(&LAST);
        assert_eq!(has_last, matches!(overflow, Overflow::DropOldest));
        // The client is up to date again.
        party.line.publish("now".into());
        assert_eq!(slow.text().await, "now");
    }
}

#[tokio::test]
async fn a_socket_is_closed_while_it_is_lent() {
    let party = Party::new(Queue::default());
    let address = party.serve().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    for close in [true, false] {
        let mut client = join(address).await;
        party.line.publish("one".into());
        assert_eq!(client.text().await, "one");
        if close {
            client.session.close(Some(CloseCode::NORMAL.into()));
            assert_eq!(client.message().await, None);
            let close = client.closed().close.as_ref().unwrap();
            assert_eq!(
                (close.code, client.closed().clean),
                (CloseCode::NORMAL, true)
            );
            client.ended().await;
        }
        drop(client);
        // Neither the task of the connection nor the one that wrote for publishers remains.
        let gone = async {
            while Handle::current().metrics().num_alive_tasks() > tasks {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("no task is left");
    }
}
