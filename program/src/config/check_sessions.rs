//! Checks of sessions whose single values are valid.

use super::document::Document;
use super::key::alike;
use super::node::Node;
use super::problem::Problems;
use super::session::{Required, Session};
use super::settings::Settings;

/// Checks that sessions are consistent, and that routes name existing ones.
pub(super) fn sessions<'a>(
    document: &Document<'_>,
    settings: impl Iterator<Item = (Node<'a>, &'a Settings)>,
    problems: &mut Problems,
) {
    for (name, node) in &document.sessions {
        let session = document.config.sessions.get(*name);
        if let Some((key, what, mend)) = session.and_then(Session::problem) {
            problems.error(node.at(key), what, mend);
        }
    }
    let names = document.config.sessions.keys().map(String::as_str);
    let names: Vec<&str> = names.collect();
    for (node, settings) in settings {
        let name = settings.session.as_deref();
        if let Some(name) = name.filter(|name| !names.contains(name) && node.has("session")) {
            let mend = match alike(name, &names) {
                Some(alike) => format!("did you mean `{alike}`?"),
                None => format!("add [session.{name}] with its url, or write \"none\""),
            };
            let what = format!("there is no session `{name}`");
            problems.error(node.at("session"), what, mend);
        }
        if name.is_none()
            && node.has("require_session")
            && settings.require_session != Required::Nothing
        {
            let what = "`require_session` has no effect without `session`";
            let mend = "add a line as session = \"app\", the NAME of a [session.NAME]";
            problems.error(node.at("require_session"), what, mend);
        }
    }
}
