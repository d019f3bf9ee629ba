//! The tasks that wait for a connection: usually one, but two if it is split into a half that
//! receives and a half that sends. Sockets, timers and signals wake only the task that polled last,
//! so two tasks share one waker.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::Connection;

/// The tasks that wait for a connection, the latest last. Waking it wakes both.
#[derive(Debug)]
pub(super) struct Tasks(Mutex<[Option<Waker>; 2]>);

impl Tasks {
    /// Adds a task to wake. A third task displaces the first, which is woken now and polls again if
    /// it still waits.
    fn add(&self, task: &Waker) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, last] = &mut *waiting;
        if [&*first, &*last]
            .into_iter()
            .flatten()
            .any(|waiting| waiting.will_wake(task))
        {
            return;
        }
        let first = std::mem::replace(first, last.replace(task.clone()));
        drop(waiting);
        if let Some(first) = first {
            first.wake();
        }
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Connection {
    /// True if this task waited last. It is nearly always the only one.
    #[inline]
    pub(super) fn is_task(&self, cx: &Context<'_>) -> bool {
        let last = self.task.as_ref();
        last.is_some_and(|last| last.will_wake(cx.waker()))
    }

    /// Polls for a task that did not wait last, with a waker that also wakes the task that waits
    /// already.
    #[cold]
    pub(super) fn poll_as<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self.join(cx.waker()) {
            Some(both) => poll(self, &mut Context::from_waker(&both)),
            None => poll(self, cx),
        }
    }

    /// Returns the waker to register for this task. It wakes both tasks if there is another; `None`
    /// if there is not.
    fn join(&mut self, task: &Waker) -> Option<Waker> {
        if let Some(tasks) = self.negotiated.rare.tasks() {
            tasks.add(task);
            return self.task.clone();
        }
        let last = self.task.replace(task.clone())?;
        let tasks = Arc::new(Tasks(Mutex::new([Some(last), Some(task.clone())])));
        self.task = Some(Waker::from(Arc::clone(&tasks)));
        self.negotiated.rare.get_mut().tasks = Some(tasks);
        self.negotiated.is_signalled = false;
        if let Some(timer) = &mut self.timer {
            timer.reset();
        }
        self.task.clone()
    }

    /// Wakes each task, so that both see the end that one has found.
    pub(super) fn wake_tasks(&self) {
        if let Some(tasks) = self.negotiated.rare.tasks() {
            tasks.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use futures_core::Stream;
    use futures_sink::Sink;
    use polysock_protocols::{CloseCode, Message, RawCodec, Role};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::advance;

    use super::super::{Budget, ConnectionOptions, Shutdown};
    use super::*;

    /// A task that only records that it was woken.
    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A connection whose halves are polled by two tasks.
    struct Split {
        connection: Connection,
        receiver: Arc<Task>,
        sender: Arc<Task>,
    }

    impl Split {
        /// Creates a connection whose transport has `room` bytes of buffer, and returns its peer as
        /// well.
        fn new(room: usize) -> (Self, DuplexStream) {
            let (ours, peer) = duplex(room);
            let mut options = ConnectionOptions::new("raw", Role::Client);
            options.session.idle_timeout = Some(Duration::from_secs(60));
            let split = Self {
                connection: Connection::over(ours, RawCodec::boxed(), options),
                receiver: Arc::default(),
                sender: Arc::default(),
            };
            (split, peer)
        }

        fn receive(&mut self) -> Poll<Option<Message>> {
            let waker = Waker::from(Arc::clone(&self.receiver));
            let next = Pin::new(&mut self.connection).poll_next(&mut Context::from_waker(&waker));
            next.map(|next| next.transpose().unwrap_or_default())
        }

        fn send(&mut self, message: &'static str) {
            Pin::new(&mut self.connection)
                .start_send(Message::text(message))
                .unwrap();
        }

        fn flush(&mut self) -> Poll<()> {
            let waker = Waker::from(Arc::clone(&self.sender));
            let flushed =
                Pin::new(&mut self.connection).poll_flush(&mut Context::from_waker(&waker));
            flushed.map(Result::unwrap)
        }

        fn close(&mut self) -> Poll<()> {
            let waker = Waker::from(Arc::clone(&self.sender));
            let closed =
                Pin::new(&mut self.connection).poll_close(&mut Context::from_waker(&waker));
            closed.map(Result::unwrap)
        }

        /// Polls the halves that were woken. The sender has room, and the receiver finds nothing.
        fn take_turns(&mut self) {
            let (receiver, sender) = self.woken();
            assert!(sender && self.flush().is_ready());
            assert!(!receiver || self.receive().is_pending());
        }

        /// Returns whether the receiver and the sender were woken since the last call.
        fn woken(&self) -> (bool, bool) {
            let was_woken = |task: &Task| task.0.swap(false, Ordering::Relaxed);
            (was_woken(&self.receiver), was_woken(&self.sender))
        }
    }

    #[tokio::test]
    async fn a_sender_is_woken_although_a_receiver_waited_after_it() {
        let (mut split, mut peer) = Split::new(4);
        split.send("hello");
        assert!(split.flush().is_pending());
        assert!(split.receive().is_pending());
        split.woken();
        peer.read_exact(&mut [0; 4]).await.unwrap();
        assert!(split.woken().1);
        // The other half may do what this half waits for.
        assert!(split.receive().is_pending());
        assert_eq!(split.flush(), Poll::Ready(()));
        peer.read_exact(&mut [0; 1]).await.unwrap();
    }

    #[tokio::test]
    async fn a_sender_is_woken_although_a_receiver_is_busy() {
        let (mut split, mut peer) = Split::new(4);
        split.send("hello");
        assert!(split.flush().is_pending());
        peer.write_all(b"abcd").await.unwrap();
        assert!(split.receive().is_ready());
        split.woken();
        peer.read_exact(&mut [0; 4]).await.unwrap();
        assert!(split.woken().1);
    }

    #[tokio::test]
    async fn a_receiver_is_woken_although_a_sender_waited_after_it() {
        let (mut split, mut peer) = Split::new(4);
        let shutdown = Shutdown::default();
        let budget = Budget::default();
        split.connection.serve_for(shutdown.register(), &budget);
        assert!(split.receive().is_pending());
        split.send("hello");
        assert!(split.flush().is_pending());
        peer.read_exact(&mut [0; 4]).await.unwrap();
        split.take_turns();
        shutdown.trigger(CloseCode::GOING_AWAY);
        assert_eq!(split.woken(), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_the_receiver_although_a_sender_has_waited_for_it() {
        let (mut split, mut peer) = Split::new(4);
        assert!(split.receive().is_pending());
        split.send("hello");
        assert!(split.flush().is_pending());
        peer.read_exact(&mut [0; 4]).await.unwrap();
        split.take_turns();
        advance(Duration::from_secs(61)).await;
        assert_eq!(split.woken(), (true, false));
    }

    #[tokio::test]
    async fn each_half_is_woken_by_the_end_that_the_other_finds() {
        let (mut split, mut peer) = Split::new(4);
        assert!(split.receive().is_pending());
        split.send("hello");
        assert!(split.flush().is_pending());
        peer.shutdown().await.unwrap();
        // The sender polls first, and finds nothing.
        assert!(split.flush().is_pending());
        split.woken();
        assert_eq!(split.receive(), Poll::Ready(None));
        assert!(split.woken().1);
        assert!(split.flush().is_ready());
    }

    #[tokio::test]
    async fn neither_half_wakes_the_other_while_the_connection_closes() {
        let (mut split, _peer) = Split::new(64);
        assert!(split.receive().is_pending());
        assert!(split.close().is_pending());
        split.woken();
        assert!(split.receive().is_pending() && split.close().is_pending());
        assert_eq!(split.woken(), (false, false));
    }

    #[tokio::test]
    async fn a_half_that_moves_to_another_task_is_woken_there() {
        let (mut split, mut peer) = Split::new(4);
        assert!(split.receive().is_pending());
        std::mem::swap(&mut split.receiver, &mut split.sender);
        for _ in 0..2 {
            assert!(split.receive().is_pending());
            split.woken();
            peer.write_all(b"abcd").await.unwrap();
            assert!(split.woken().0);
            assert!(split.receive().is_ready());
        }
    }
}
