//! Values that several kinds of authentication share.

use polysock::auth::Realm;
use polysock::protocols::hide_secrets;
use serde_json::json;

use crate::config::form::{Word, quoted};
use crate::flags::server::{any_size, web_server};

/// The description of a realm.
pub(super) const REALM: &str = "The name of the protected area, which browsers show.";

pub(super) fn realm() -> Word<Realm> {
    Word {
        read: |text| {
            let realm = text.parse();
            realm.map_err(|error: polysock::auth::RealmError| error.to_string())
        },
        write: |realm| Some(quoted(&realm.to_string())),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a web server's URL.
pub(super) fn url() -> Word<String> {
    Word {
        read: |text| match web_server(text, any_size()) {
            Ok(Some(_)) => Ok(text.to_owned()),
            Ok(None) => Err("write http://HOST:PORT/PATH, or https://…".to_owned()),
            Err(mend) => Err(mend),
        },
        write: |url| Some(quoted(&hide_secrets(url))),
        schema: || json!({ "type": "string" }),
    }
}
