//! Cookies set by the real packages: express-session 1.19.0, cookie-session 2.1.1 and Django
//! 5.2.19.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use polysock_web::{
    CookieSessions, DjangoSessions, ExpressSessions, SessionError, SessionStore, Sessions,
};
use serde_json::json;

use crate::{find, key};

/// A store with fixed data, by id.
#[derive(Clone, Debug, Default)]
struct Memory(HashMap<&'static str, &'static str>);

impl SessionStore for Memory {
    fn place(&self) -> &str {
        "memory"
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SessionError>> {
        let data = self.0.get(id).map(|data| (*data).into());
        Box::pin(async move { Ok(data) })
    }
}

/// Signed by `secret: ["keyboard cat", "old secret"]`.
const EXPRESS: &str = "s%3AabcDEF123-_x.iVYCe5XFM5444m4zUp%2BACPo4yx7D26%2B8HeIaMn9mw7E";
const OF_EXPRESS: &str = "{\"cookie\":{\"originalMaxAge\":null,\"expires\":null,\"httpOnly\":true,\"path\":\"/\"},\
     \"user_id\":42,\"name\":\"Zoë\"}";

/// Signed by `keys: ["key1", "key2"]`.
const COOKIE: &str = "session=eyJ1c2VyX2lkIjo0MiwibmFtZSI6Ilpvw6siLCJuIjpbMSxudWxsXX0=; \
     session.sig=T_iYqbZZEk1y1GLJcjfIS9kqXGI";

/// Signed by `SECRET_KEY = "django-insecure-for-tests"`.
const DJANGO_KEY: &str = "django-insecure-for-tests";
const DJANGO: &str = "eyJ1c2VyX2lkIjo0MiwibmFtZSI6IlpvXHUwMGViIn0:1xXfID:kabtqbyvwtwsKIhDnQ77pdPo54XEdHeETdITUL5xd2Q";
const DJANGO_COMPRESSED: &str = ".eJyrViotTi2Kz0xRsjIx0lEqSa0oUbJSShwFRAOlWgAo-Xkn:1xXfID:K7pDbKgWwMRaa1YRLtt71WcW5BBT3lomHVNDWpMU9Ds";
const DJANGO_ID: &str = "toh7jck8fbsosqaezyjjmg84bm64ydz1";
const DJANGO_ROW: &str = "eyJ1c2VyX2lkIjo0MiwibmFtZSI6IlpvXHUwMGViIiwiX2F1dGhfdXNlcl9pZCI6IjQyIn0:1xXfID:S26m3uTxf_nlO0F6PHeiweq4yfX6NhZbOAfYkzSnTR8";

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[tokio::test]
async fn the_signature_of_an_express_session_id_is_verified() {
    let store = Memory(HashMap::from([("abcDEF123-_x", OF_EXPRESS)]));
    let sessions = |secrets: &[&str]| ExpressSessions::new(store.clone(), secrets);
    let cookie = format!("a=1; connect.sid={EXPRESS}");
    for secrets in [&["keyboard cat"][..], &["new", "keyboard cat"]] {
        let values = find(&sessions(secrets), &cookie).await.unwrap().unwrap();
        assert_eq!(values.get("user_id"), Some(json!(42)));
        assert_eq!(values.text("name").as_deref(), Some("Zoë"));
    }
    let sessions = sessions(&["keyboard cat"]);
    assert_eq!(key(&sessions, &cookie).unwrap().id(), Some("abcDEF123-_x"));
    for cookie in [
        EXPRESS.replace("abc", "abd"),
        EXPRESS.replace("iVYC", "iVYD"),
        EXPRESS.replace("mw7E", ""),
        EXPRESS.replace("s%3A", ""),
        "s%3A.".to_owned(),
        "s%3A".to_owned(),
        String::new(),
    ] {
        let cookie = format!("connect.sid={cookie}");
        assert!(key(&sessions, &cookie).is_none(), "{cookie}");
    }
    assert!(key(&ExpressSessions::new(store, ["other"]), &cookie).is_none());
    let named = sessions.cookie("sid");
    assert!(key(&named, &format!("sid={EXPRESS}")).is_some());
}

#[tokio::test]
async fn a_cookie_of_cookie_session_is_the_session() {
    for keys in [&["key1"][..], &["new", "key1"]] {
        let values = find(&CookieSessions::new(keys), COOKIE).await;
        let expected = json!({ "user_id": 42, "name": "Zoë", "n": [1, null] });
        assert_eq!(values.unwrap().unwrap().to_json(), expected);
    }
    let sessions = CookieSessions::new(["key1"]);
    assert_eq!(key(&sessions, COOKIE).unwrap().id(), None);
    for cookie in [
        COOKIE.replace("eyJ1", "eyJ2"),
        COOKIE.replace("T_iY", "T_iZ"),
        COOKIE.replace("session.sig", "other.sig"),
        COOKIE.replace("session=", "other="),
    ] {
        assert!(key(&sessions, &cookie).is_none(), "{cookie}");
    }
    assert!(key(&CookieSessions::new(["key2"]), COOKIE).is_none());
    let no_keys: [&str; 0] = [];
    assert!(key(&CookieSessions::new(no_keys), COOKIE).is_none());
}

#[tokio::test]
async fn a_signed_cookie_of_django_is_the_session_for_its_time() {
    let sessions = DjangoSessions::signed_cookies([DJANGO_KEY]).lifetime(CENTURY);
    let found = |cookie: &str| format!("sessionid=first; sessionid={cookie}");
    let values = find(&sessions, &found(DJANGO)).await.unwrap().unwrap();
    assert_eq!(values.to_json(), json!({ "user_id": 42, "name": "Zoë" }));
    let values = find(&sessions, &found(DJANGO_COMPRESSED)).await;
    let values = values.unwrap().unwrap();
    assert_eq!(values.text("text"), Some("a".repeat(300)));
    let fallback = DjangoSessions::signed_cookies(["new", DJANGO_KEY]);
    assert!(key(&fallback, &found(DJANGO)).is_some());
    let short = sessions.clone().lifetime(Duration::from_secs(1));
    assert!(find(&short, &found(DJANGO)).await.unwrap().is_none());
    for cookie in [
        DJANGO.replace("eyJ1", "eyJ2"),
        DJANGO.replace("1xXfID", "1xXfIE"),
        DJANGO.replace("kabt", "kabu"),
        DJANGO_ROW.to_owned(),
        ":".to_owned(),
        String::new(),
    ] {
        assert!(key(&sessions, &found(&cookie)).is_none(), "{cookie}");
    }
}

#[tokio::test]
async fn the_signature_of_a_stored_django_session_is_verified() {
    let store = Memory(HashMap::from([
        (DJANGO_ID, DJANGO_ROW),
        ("otherotherother", DJANGO),
    ]));
    let sessions = DjangoSessions::stored(store, [DJANGO_KEY]);
    let values = find(&sessions, &format!("sessionid={DJANGO_ID}")).await;
    let values = values.unwrap().unwrap();
    assert_eq!(values.text("_auth_user_id").as_deref(), Some("42"));
    assert!(
        find(&sessions, "sessionid=nonenonenone")
            .await
            .unwrap()
            .is_none()
    );
    let error = find(&sessions, "sessionid=otherotherother")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data are signed with none of the keys"
    );
    for cookie in ["sessionid=short", "sessionid=with-a-hyphen", ""] {
        assert!(key(&sessions, cookie).is_none(), "{cookie}");
    }
}

#[tokio::test]
async fn data_that_are_no_json_object_are_no_session() {
    for (data, expected) in [
        (
            "{\"a\":1",
            "the data are not JSON: error at line 1, column 6",
        ),
        ("[1]", "the JSON is not an object"),
        ("", "the data are not JSON: error at line 1, column 0"),
    ] {
        let store = Memory(HashMap::from([("abcDEF123-_x", data)]));
        let sessions = ExpressSessions::new(store, ["keyboard cat"]);
        let cookie = format!("connect.sid={EXPRESS}");
        let error = find(&sessions, &cookie).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(sessions.place(), "memory");
    }
}
