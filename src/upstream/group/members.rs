//! The targets of a group, which can be replaced.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use polysock_protocols::CloseCode;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::target::{Member, PersistentState, Target};

/// The targets of a group.
#[derive(Debug)]
pub(super) struct Members {
    list: RwLock<Arc<[Arc<Member>]>>,
    changed: Notify,
}

impl Members {
    pub(super) fn new(targets: Vec<Target>) -> Self {
        let members = targets.into_iter().map(new).collect();
        Self {
            list: RwLock::new(members),
            changed: Notify::new(),
        }
    }

    pub(super) fn list(&self) -> Arc<[Arc<Member>]> {
        // The list is replaced as a whole, so a panic cannot break it.
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&list)
    }

    /// Replaces the targets. A target with the same name keeps its state. The returned future
    /// closes the connections of removed targets, spread over a time.
    pub(super) fn replace(
        &self,
        targets: Vec<Target>,
        over: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let (mut members, mut rest) = (Vec::new(), list.to_vec());
        for target in targets {
            let same = rest
                .iter()
                .position(|member| member.target.name == target.name);
            members.push(match same {
                None => new(target),
                Some(index) => {
                    let kept = Arc::clone(&rest.swap_remove(index).kept);
                    Arc::new(Member::new(target, kept))
                }
            });
        }
        *list = members.into();
        drop(list);
        self.changed.notify_waiters();
        let mut closing = JoinSet::new();
        async move {
            for member in rest {
                closing.spawn(async move {
                    let connections = &member.kept.connections;
                    connections.drain(CloseCode::GOING_AWAY, over).await;
                });
            }
            closing.join_all().await;
        }
    }

    /// Ready once the targets are replaced after this call.
    pub(super) fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }
}

fn new(target: Target) -> Arc<Member> {
    Arc::new(Member::new(target, Arc::<PersistentState>::default()))
}
