//! What is subscribed to, and how that and the rest is sent.

use std::collections::{HashMap, VecDeque};
use std::future::pending;

use async_nats::{Client, Subscriber};
use polysock::BoxError;
use polysock::bus::Topic;
use tokio::sync::oneshot;

use super::work::Op;

/// A topic that is subscribed to.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Which others of the same topic have not.
    pub(super) number: u64,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// It is still to be sent.
    Asked,
    /// Nothing is taken of it before it is said to be there.
    Sent(Subscriber),
    /// It ends when this is dropped.
    There { _stop: oneshot::Sender<()> },
}

/// Sends all there is, in its order; with nothing to send it never ends. Dropping the future leaves what was not sent.
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
                // It may not be wanted any more.
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
