//! A connection that is kept for any number of concurrent look-ups.

use std::sync::PoisonError;

use tokio::sync::Mutex;

/// A connection that is kept until there is doubt about it. All look-ups share clones of it.
pub(super) struct SharedConnection<C> {
    current: std::sync::Mutex<Option<Numbered<C>>>,
    /// The number of connections so far. The lock is held while connecting, so that only one task
    /// connects.
    connecting: Mutex<u64>,
}

/// A connection and its number.
#[derive(Clone)]
pub(super) struct Numbered<C> {
    number: u64,
    pub(super) connection: C,
}

impl<C> Default for SharedConnection<C> {
    fn default() -> Self {
        Self {
            current: std::sync::Mutex::new(None),
            connecting: Mutex::default(),
        }
    }
}

impl<C: Clone> SharedConnection<C> {
    /// Returns the connection, if there is one.
    pub(super) fn current(&self) -> Option<Numbered<C>> {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the connection that another task has opened in the meantime, or opens a new one.
    pub(super) async fn or_open<E>(
        &self,
        opening: impl Future<Output = Result<C, E>>,
    ) -> Result<Numbered<C>, E> {
        let mut number = self.connecting.lock().await;
        if let Some(kept) = self.current() {
            return Ok(kept);
        }
        let connection = opening.await?;
        *number += 1;
        let opened = Numbered {
            number: *number,
            connection,
        };
        self.set(Some(opened.clone()));
        Ok(opened)
    }

    /// Begins to doubt a connection. When the doubt is dropped without [`clear`](InvalidateOnDrop::clear),
    /// because the connection failed or the look-up was cancelled, the connection is no longer
    /// used.
    pub(super) fn doubt(&self, kept: &Numbered<C>) -> InvalidateOnDrop<'_, C> {
        InvalidateOnDrop {
            kept: self,
            number: Some(kept.number),
        }
    }

    fn set(&self, connection: Option<Numbered<C>>) {
        let current = self.current.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// A doubt about a connection.
pub(super) struct InvalidateOnDrop<'a, C: Clone> {
    kept: &'a SharedConnection<C>,
    /// The number of the connection. `None` once the doubt is cleared.
    number: Option<u64>,
}

impl<C: Clone> InvalidateOnDrop<'_, C> {
    /// Keeps the connection.
    pub(super) fn clear(mut self) {
        self.number = None;
    }
}

impl<C: Clone> Drop for InvalidateOnDrop<'_, C> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        if self
            .kept
            .current()
            .is_some_and(|kept| kept.number == number)
        {
            self.kept.set(None);
        }
    }
}
