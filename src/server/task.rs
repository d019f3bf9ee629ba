//! The task of a connection: its opening, and then the work of its application. An idle connection
//! is in the second phase, and holds no memory of the first.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tracing::debug;

use super::incidents::Incidents;
use crate::error::{BoxError, ConnectionError};
use crate::route::Answering;
use crate::telemetry::Address;

/// The task of a connection. The future is written by hand, because the state of an `async` block
/// would double the size of the task.
pub(super) enum Task<O> {
    Opening(Pin<Box<O>>),
    Answering(Pin<Box<Answered>>),
}

/// A running application, and the record of its failures.
pub(super) struct Answered {
    answering: Answering,
    incidents: Arc<Incidents>,
}

impl<O> Task<O> {
    /// Creates a task from an opening, which yields the further work.
    pub(super) fn new(opening: O) -> Self {
        Self::Opening(Box::pin(opening))
    }
}

impl<O: Future<Output = Option<Answered>>> Future for Task<O> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Opening(opening) = &mut *self {
            match ready!(opening.as_mut().poll(cx)) {
                Some(answered) => *self = Self::Answering(Box::pin(answered)),
                None => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Self::Answering(answered) => answered.as_mut().poll(cx),
            Self::Opening(_) => Poll::Ready(()),
        }
    }
}

impl Answered {
    pub(super) fn new(answering: Answering, incidents: Arc<Incidents>) -> Self {
        Self {
            answering,
            incidents,
        }
    }

    /// Reports the failure of an application. Errors of peers are common, and logged for debugging
    /// only. Errors of the application are throttled, because a thousand clients may cause one in a
    /// second.
    #[cold]
    fn failed(&self, error: &BoxError) {
        let client = self.answering.client;
        let Some(of_connection) = error.downcast_ref::<ConnectionError>() else {
            return self.incidents.application_failed(client, error);
        };
        let peer = client.map(Address).map(tracing::field::display);
        debug!(peer, %error, "connection failed");
        if let ConnectionError::HandshakeTimeout = of_connection {
            self.incidents.not_opened(|count| count.late += 1);
        }
    }
}

impl Future for Answered {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.answering.work.as_mut().poll(cx)) {
            self.failed(&error);
        }
        Poll::Ready(())
    }
}

/// Reports a panic, which ends this connection and no other.
impl Drop for Answered {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let client = self.answering.client;
            self.incidents.application_failed(client, &"panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, subscriber};

    use super::*;
    use crate::connection::Registry;

    /// Counts the events that report a panic.
    #[derive(Clone)]
    struct Panics(Arc<AtomicUsize>);

    impl Subscriber for Panics {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    impl Visit for Panics {
        fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

        fn record_str(&mut self, field: &Field, value: &str) {
            if (field.name(), value) == ("error", "panicked") {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[tokio::test]
    async fn a_panicking_application_is_reported() {
        let panics = Arc::new(AtomicUsize::new(0));
        let _guard = subscriber::set_default(Panics(Arc::clone(&panics)));
        for (work, expected) in [(false, 0), (true, 1)] {
            let answering = Answering {
                client: None,
                work: Box::pin(async move {
                    assert!(!work, "as it was told to");
                    Ok(())
                }),
            };
            let answered = Answered::new(answering, Arc::new(Incidents::new(&Registry::default())));
            let task = Task::new(std::future::ready(Some(answered)));
            assert_eq!(tokio::spawn(task).await.is_err(), work);
            assert_eq!(panics.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn the_task_of_an_idle_connection_is_small() {
        // With the eight bytes of its tracker, this fits into the 128 bytes of a task in the
        // runtime.
        assert_eq!(size_of::<Task<Ready<Option<Answered>>>>(), 16);
        assert!(size_of::<Answered>() <= 56);
    }
}
