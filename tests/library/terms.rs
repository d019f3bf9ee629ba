//! The terms of connections besides their sessions, in every protocol, served and relayed. Time is
//! paused, so all of it is exact.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::BoxFuture;
use polysock::apps::{Relay, echo};
use polysock::protocols::{CloseForm, PROTOCOLS, Protocol, RawCodec, Role, SessionConfig};
use polysock::upstream::{Client, Connected, Upstream, UpstreamError};
use polysock::{
    Application, BoxError, CloseCode, Connection, ConnectionOptions, Gateway, Handshake, Message,
    PortSettings, Site, SiteSettings, Terms,
};
use polysock_test_support::member::{Member, Way};
use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// A gateway in all protocols with these terms.
fn gateway(application: impl Application, terms: Terms) -> Gateway {
    let site = Site::new(application).with_settings(SiteSettings {
        terms,
        session: SessionConfig::default(),
        ..SiteSettings::default()
    });
    let port = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    Gateway::with_site(site, port)
}

async fn client(gateway: Gateway, protocol: &'static dyn Protocol, room: usize) -> Member {
    Member::open(Way::Memory(room).go(gateway).await, protocol).await
}

/// An in-memory upstream of plain bytes, which echoes its input or only sends.
#[derive(Clone, Copy, Debug)]
enum Behind {
    Echo,
    Flood,
}

impl Upstream for Behind {
    fn connect<'a>(&'a self, _: Client<'a>) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        let (ours, theirs) = duplex(1024);
        match self {
            Self::Echo => drop(tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(theirs);
                tokio::io::copy(&mut from, &mut to).await
            })),
            Self::Flood => drop(tokio::spawn(async move {
                let (_from, mut to) = tokio::io::split(theirs);
                let mut flood = tokio::io::repeat(b'x').take(1 << 20);
                tokio::io::copy(&mut flood, &mut to).await
            })),
        }
        let options = ConnectionOptions::new("raw", Role::Client);
        let connection = Connection::over(ours, RawCodec::boxed(), options);
        Box::pin(async { Ok(connection.into()) })
    }
}

fn relay(behind: Behind) -> Relay {
    let over_text = polysock::BinaryOverText::Base64;
    Relay::new(Arc::new(behind)).binary_over_text(over_text)
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_at_its_age() {
    let seconds = 10;
    let terms = Terms {
        max_age: Some(Duration::from_secs(seconds)),
        ..Terms::default()
    };
    for protocol in PROTOCOLS {
        for is_relayed in [false, true] {
            let gateway = match is_relayed {
                false => gateway(echo, terms),
                true => gateway(relay(Behind::Echo), terms),
            };
            let mut client = client(gateway, *protocol, 1024).await;
            let began = Instant::now();
            client.send("Hello").await;
            assert!(client.message().await.is_some());
            assert_eq!(client.message().await, None);
            let age = began.elapsed().as_secs_f64();
            let most = seconds as f64;
            let case = format!("{} {is_relayed} {age} s", protocol.name());
            assert!((most * 0.9..most + 0.1).contains(&age), "{case}");
            if client.session.capabilities().close == CloseForm::Code {
                let close = client.closed().close.as_ref().unwrap();
                assert_eq!(close.code, CloseCode::GOING_AWAY, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_faster_than_it_may_is_read_more_slowly() {
    let terms = Terms {
        max_bytes_per_second: NonZeroU32::new(1000),
        ..Terms::default()
    };
    for protocol in PROTOCOLS {
        for is_relayed in [false, true] {
            let gateway = match is_relayed {
                false => gateway(echo, terms),
                true => gateway(relay(Behind::Echo), terms),
            };
            let mut client = client(gateway, *protocol, 64 * 1024).await;
            let began = Instant::now();
            let mut length = 0;
            for _ in 0..20 {
                let text = "x".repeat(500);
                client.send(&*text).await;
            }
            while length < 20 * 500 {
                let message = client.message().await.unwrap();
                length += message.as_bytes().len();
            }
            let took = began.elapsed().as_secs_f64();
            let case = format!("{} {is_relayed} {took} s", protocol.name());
            // Including the overhead of frames and base64.
            assert!((7.0..14.0).contains(&took), "{case}");
        }
    }
}

/// Reports the time and the cause of its end, after it has sent until the output is blocked.
fn floods(ended: mpsc::UnboundedSender<String>) -> impl Application {
    move |handshake: Handshake| {
        let ended = ended.clone();
        async move {
            let mut connection = handshake.accept(polysock::Accept::default()).await?;
            while connection
                .send(Message::from("x".repeat(1000)))
                .await
                .is_ok()
            {}
            let end = futures_util::StreamExt::next(&mut connection).await;
            let _ = ended.send(format!("{end:?} {:?}", connection.closed()));
            Ok::<_, BoxError>(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_although_it_sends() {
    let terms = Terms {
        send_timeout: Some(Duration::from_secs(30)),
        ..Terms::default()
    };
    for protocol in PROTOCOLS {
        for is_relayed in [false, true] {
            let (tell, mut told) = mpsc::unbounded_channel();
            let gateway = match is_relayed {
                false => gateway(floods(tell), terms),
                true => gateway(relay(Behind::Flood), terms),
            };
            let mut client = client(gateway, *protocol, 4096).await;
            let began = Instant::now();
            // Messages from the client count as a sign of life, but do not prolong the send
            // timeout.
            let mut is_cut = false;
            while !is_cut {
                assert!(began.elapsed() < Duration::from_secs(60), "it is kept");
                sleep(Duration::from_secs(1)).await;
                client.session.send("x".into()).unwrap();
                is_cut = client.flush_or_gone().await;
            }
            let took = began.elapsed().as_secs();
            let case = format!("{} {is_relayed} {took} s", protocol.name());
            assert!((29..=34).contains(&took), "{case}");
            if !is_relayed {
                let end = told.recv().await.unwrap();
                assert!(
                    end.contains("Stalled") && end.contains("1008"),
                    "{case}: {end}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_kept() {
    let terms = Terms {
        send_timeout: Some(Duration::from_secs(5)),
        ..Terms::default()
    };
    let application = |handshake: Handshake| async move {
        let mut connection = handshake.accept(polysock::Accept::default()).await?;
        connection.send(Message::from("x".repeat(10_000))).await?;
        connection.close(None).await?;
        Ok::<_, BoxError>(())
    };
    for protocol in PROTOCOLS {
        let mut client = client(gateway(application, terms), *protocol, 256).await;
        let began = Instant::now();
        // Some 40 reads of the available bytes, one every four seconds.
        let mut received = 0;
        loop {
            sleep(Duration::from_secs(4)).await;
            match client.read_some().await {
                0 => break,
                came => received += came,
            }
        }
        assert!(received > 9500, "{}: cut after {received}", protocol.name());
        assert!(began.elapsed() > Duration::from_secs(100));
    }
}
