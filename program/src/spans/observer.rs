//! The observer that turns connections into spans.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::SpanData;
use polysock::protocols::Request;
use polysock::{ConnectionId, Described, Ending, Observer, Refusal, TraceParent, Traffic};
use tokio::sync::mpsc;

use super::count_lost;
use super::span::{Parent, SpanStart, close, handshake, refusal};

/// An observer that makes spans of connections and queues them.
#[derive(Debug)]
pub(super) struct Spanning {
    queue: mpsc::Sender<SpanData>,
    /// The key from which the ids of spans are derived. The close of a connection derives the same
    /// ids as its handshake, so nothing is stored for it.
    ids: RandomState,
}

/// The purpose of a derived number.
#[derive(Clone, Copy, Hash)]
enum Number {
    HandshakeTrace(u8),
    Handshake,
    CloseTrace(u8),
    Close,
}

impl Spanning {
    pub(super) fn new(queue: mpsc::Sender<SpanData>) -> Self {
        Self {
            queue,
            ids: RandomState::new(),
        }
    }

    fn push(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            count_lost(1);
        }
    }

    /// Returns the context of a handshake's span, and its parent. `None` if the client's trace is
    /// not sampled.
    fn of_handshake(
        &self,
        id: ConnectionId,
        parent: Option<TraceParent<'_>>,
    ) -> Option<(SpanContext, Parent)> {
        let parent = match parent {
            Some(parent) if !parent.is_sampled => return None,
            Some(parent) => TraceId::from_hex(parent.trace_id)
                .ok()
                .zip(SpanId::from_hex(parent.span_id).ok()),
            None => None,
        };
        let (trace, parent) = match parent {
            Some((trace, span)) => (trace, Parent::Remote(span)),
            None => (self.trace(id, Number::HandshakeTrace), Parent::None),
        };
        Some((self.context(trace, id, Number::Handshake), parent))
    }

    fn trace(&self, id: ConnectionId, number: fn(u8) -> Number) -> TraceId {
        let [high, low] = [0, 1].map(|half| u128::from(self.number(id, number(half))));
        TraceId::from(high << 64 | low)
    }

    fn context(&self, trace: TraceId, id: ConnectionId, number: Number) -> SpanContext {
        let span = SpanId::from(self.number(id, number));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
    }

    /// Derives an unpredictable number, which is never zero: zero is not a valid id.
    fn number(&self, id: ConnectionId, number: Number) -> u64 {
        self.ids.hash_one((id, number)).max(1)
    }
}

impl Observer for Spanning {
    fn opened(&self, connection: &Described<'_>, request: &Request, took: Duration) {
        let of_handshake = self.of_handshake(connection.id, connection.trace_parent);
        if let Some((context, parent)) = of_handshake {
            let begin = SpanStart {
                context,
                parent,
                took,
            };
            // RFC 8441 §5: an extended CONNECT is accepted with 200.
            let status = if request.head.is_connect() { 200 } else { 101 };
            self.push(handshake(begin, connection, status));
        }
    }

    fn refused(&self, refused: &Refusal) {
        let of_handshake = self.of_handshake(refused.id, refused.trace_parent());
        if let Some((context, parent)) = of_handshake {
            let begin = SpanStart {
                context,
                parent,
                took: refused.took.unwrap_or_default(),
            };
            self.push(refusal(begin, refused));
        }
    }

    fn closed(&self, connection: &Described<'_>, ending: &Ending, traffic: &Traffic) {
        let of_handshake = self.of_handshake(connection.id, connection.trace_parent);
        if let Some((opened, _)) = of_handshake {
            let trace = self.trace(connection.id, Number::CloseTrace);
            let context = self.context(trace, connection.id, Number::Close);
            let now = SystemTime::now();
            self.push(close((context, opened), connection, (ending, traffic), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use polysock::{Gateway, Handshake, Peer, PortSettings, Rejection, Site};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::super::lost;
    use super::*;

    #[tokio::test]
    async fn spans_beyond_the_queue_are_dropped_and_counted() {
        let site = Site::new(async |handshake: Handshake| {
            handshake.reject(Rejection::new(404, "there is nothing"));
            Ok(())
        });
        let gateway = Gateway::with_site(site, PortSettings::default());
        let (queue, mut waiting) = mpsc::channel(2);
        gateway.registry().observe(Arc::new(Spanning::new(queue)));
        let before = lost();
        for _ in 0..5 {
            let (mut client, server) = duplex(1 << 14);
            let handshake = polysock_test_support::opening::RFC6455;
            client.write_all(handshake.as_bytes()).await.unwrap();
            gateway.serve_connection(server, Peer::default()).await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        }
        assert_eq!(lost() - before, 3);
        let spans = [waiting.recv().await, waiting.recv().await];
        let spans = spans.map(Option::unwrap);
        assert_ne!(
            spans[0].span_context.trace_id(),
            spans[1].span_context.trace_id()
        );
        assert_ne!(
            spans[0].span_context.span_id(),
            spans[1].span_context.span_id()
        );
    }
}
