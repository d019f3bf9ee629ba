//! Admission by protocol, network and user agent: the rules of `policy`.

use ipnet::IpNet;
use serde_json::{Value, json};
use time::{Date, Month};

use super::form::{Choice, Form, List, Maybe, Switch};
use super::key::{Key, Section};
use super::node::Node;
use super::reader::Reader;
use super::words::{Protocols, network, text};
use crate::flags::values::ProtocolList;

/// A rule for the clients that meet all of its conditions. The first matching rule decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rule {
    /// The name in the log; `None` for its number.
    pub(crate) name: Option<String>,
    /// The protocols; `None` for all, and for ordinary requests.
    pub(crate) protocols: Option<ProtocolList>,
    /// The networks; empty for any.
    pub(crate) networks: Vec<IpNet>,
    /// The pattern of user agents; `None` for any.
    pub(crate) user_agent: Option<String>,
    /// The action; `None` for the default, which depends on `until`.
    pub(crate) action: Option<Action>,
    /// The last day on which the clients are admitted, in UTC.
    pub(crate) until: Option<Date>,
    /// True if the rule only logs the clients that it would refuse.
    pub(crate) log_only: bool,
}

/// The action of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
}

impl Rule {
    /// True if the rule has no condition.
    pub(super) fn is_for_all(&self) -> bool {
        self.protocols.is_none() && self.networks.is_empty() && self.user_agent.is_none()
    }

    /// The action of the rule. The default is to allow if the rule has an end date, otherwise to
    /// deny.
    pub(crate) fn action(&self) -> Action {
        match (self.action, self.until) {
            (Some(action), _) => action,
            (None, Some(_)) => Action::Allow,
            (None, None) => Action::Deny,
        }
    }
}

/// The form of the rules of a route.
pub(super) fn rules() -> List<Rules> {
    List(Rules)
}

fn keys() -> Vec<Key<Rule>> {
    vec![
        Key::new(
            "name",
            Maybe(text()),
            |rule: &mut Rule| &mut rule.name,
            "The name of the rule in the log. Default: its number.",
        ),
        Key::new(
            "protocols",
            Maybe(Protocols),
            |rule: &mut Rule| &mut rule.protocols,
            "The protocols of the clients, as those of a route. Default: all, and ordinary requests.",
        ),
        Key::new(
            "networks",
            List(network()),
            |rule| &mut rule.networks,
            "The networks of the clients. Empty: any.",
        ),
        Key::new(
            "user_agent",
            Maybe(text()),
            |rule: &mut Rule| &mut rule.user_agent,
            "The pattern of user agents, in which * stands for any text: \"*PhantomJS/1*\". \"\" is for clients that \
             send none. Default: any.",
        ),
        Key::new(
            "action",
            Maybe(Choice(&[("allow", Action::Allow), ("deny", Action::Deny)])),
            |rule: &mut Rule| &mut rule.action,
            "The action for these clients: \"allow\" or \"deny\" (403). Default: \"allow\" if `until` is set, \
             otherwise \"deny\".",
        ),
        Key::new(
            "until",
            Maybe(Day),
            |rule: &mut Rule| &mut rule.until,
            "The last day, in UTC, on which the clients are admitted. A warning is logged from 30 days before.",
        ),
        Key::new(
            "log_only",
            Switch,
            |rule| &mut rule.log_only,
            "Whether the clients that the rule would refuse are only logged. The next rules decide on them.",
        ),
    ]
}

/// The form of a rule.
pub(super) struct Rules;

const SECTION: Section<Rule> = Section {
    title: "a rule of `policy`",
    keys,
};

impl Form<Rule> for Rules {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Rule> {
        let rule = SECTION.parse(node, reader)?;
        if rule.until.is_some() && rule.action() == Action::Deny {
            let what = "`until` cannot be set for a rule that denies";
            let mend =
                "leave `until` out, or write action = \"allow\" to refuse clients after that day";
            reader.problems.error(node.at("until"), what, mend);
        }
        if rule.log_only && rule.action() == Action::Allow && rule.until.is_none() {
            let what = "`log_only` has no effect: the rule refuses no clients";
            let mend = "leave it out, or write action = \"deny\"";
            reader.problems.error(node.at("log_only"), what, mend);
        }
        Some(rule)
    }

    fn write(&self, value: &Rule) -> Option<String> {
        SECTION.write(value)
    }

    fn schema(&self) -> Value {
        SECTION.schema()
    }
}

/// The form of a date.
struct Day;

impl Form<Date> for Day {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Date> {
        let word = node.day(&mut reader.problems)?;
        let day = day(&word);
        if day.is_none() {
            node.unfit("write a day, as 2027-06-30", &mut reader.problems);
        }
        day
    }

    fn write(&self, value: &Date) -> Option<String> {
        Some(value.to_string())
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

fn day(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let month = Month::try_from(month).ok()?;
    Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()
}
