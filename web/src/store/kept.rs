//! A connection that is kept, for any number of look-ups at a time.

use std::sync::PoisonError;

use tokio::sync::Mutex;

/// A connection that is kept until there is a doubt about it. Whoever clones it uses the same.
pub(super) struct Kept<C> {
    current: std::sync::Mutex<Option<Numbered<C>>>,
    /// Held by who connects, so that a crowd does not: how many there were.
    connecting: Mutex<u64>,
}

/// A connection, and which one it is.
#[derive(Clone)]
pub(super) struct Numbered<C> {
    number: u64,
    pub(super) connection: C,
}

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Self {
            current: std::sync::Mutex::new(None),
            connecting: Mutex::default(),
        }
    }
}

impl<C: Clone> Kept<C> {
    /// The connection, where there is one.
    pub(super) fn current(&self) -> Option<Numbered<C>> {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection that another has opened meanwhile, or a new one.
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

    /// Has a connection used no more, unless the doubt is cleared: because it failed, or because nobody
    /// has waited for its answer.
    pub(super) fn doubt(&self, kept: &Numbered<C>) -> Doubt<'_, C> {
        Doubt {
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
pub(super) struct Doubt<'a, C: Clone> {
    kept: &'a Kept<C>,
    /// Its number; `None` once it is cleared.
    number: Option<u64>,
}

impl<C: Clone> Doubt<'_, C> {
    /// The connection is as it should be.
    pub(super) fn clear(mut self) {
        self.number = None;
    }
}

impl<C: Clone> Drop for Doubt<'_, C> {
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
