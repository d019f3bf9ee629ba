//! Subscriptions, and the sender of all operations.

use std::collections::{HashMap, VecDeque};
use std::future::pending;

use async_nats::{Client, Subscriber};
use polysock::BoxError;
use polysock::bus::Topic;
use tokio::sync::oneshot;

use super::work::Op;

/// A subscription to a topic.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The number that distinguishes the subscription from others to the same topic.
    pub(super) number: u64,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// The subscription is still to be sent.
    Asked,
    /// The subscription was sent. Nothing is read from the subscriber until the link has reported
    /// it.
    Sent(Subscriber),
    /// Messages are read. Dropping the sender ends the subscription.
    There { _stop: oneshot::Sender<()> },
}

/// Sends all operations in order; never returns if there are none. Dropping the future keeps those
/// that were not sent.
pub(super) async fn send(
    client: &Client,
    ops: &mut VecDeque<Op>,
    subscriptions: &mut HashMap<Topic, Subscription>,
) -> Result<(), BoxError> {
    if ops.is_empty() {
        pending::<()>().await;
    }
    while let Some(op) = ops.front() {
        match op {
            Op::Publish {
                subject,
                reply,
                payload,
            } => {
                let (subject, payload) = (subject.clone(), payload.clone());
                match reply.clone() {
                    Some(reply) => client.publish_with_reply(subject, reply, payload).await?,
                    None => client.publish(subject, payload).await?,
                }
            }
            Op::Subscribe {
                subject,
                topic,
                number,
            } => {
                // The topic may have been unsubscribed in the meantime.
                let wanted = subscriptions.get_mut(topic);
                if let Some(subscription) = wanted.filter(|wanted| wanted.number == *number) {
                    let subscriber = client.subscribe(subject.clone()).await?;
                    subscription.state = State::Sent(subscriber);
                }
            }
        }
        ops.pop_front();
    }
    Ok(())
}
