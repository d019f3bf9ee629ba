//! The kind of device that a client is, by its user agent.

/// Marks to look for in a user agent, in this order; the name of a client that has the mark; and
/// the text in front of the version's major number, if the name has one.
const DEVICES: &[(&str, &str, Option<&str>)] = &[
    // TV sets and set-top boxes.
    ("Tizen", "Samsung TV", Some("Tizen ")),
    ("SMART-TV", "Samsung TV", None),
    ("Maple", "Samsung TV", Some("Maple ")),
    ("Web0S", "LG TV", None),
    ("WebOS", "LG TV", None),
    ("NetCast", "LG TV", Some("NetCast.TV/")),
    ("BRAVIA", "Sony TV", None),
    ("PhilipsTV", "Philips TV", None),
    ("NETTV", "Philips TV", Some("NETTV/")),
    ("Viera", "Panasonic TV", None),
    ("HbbTV", "HbbTV", Some("HbbTV/")),
    ("PlayStation", "PlayStation", Some("PlayStation ")),
    ("Nintendo", "Nintendo", None),
    ("Xbox", "Xbox", None),
    // Handheld devices.
    ("iPad", "iPad, iOS", Some("OS ")),
    ("iPhone", "iPhone, iOS", Some("OS ")),
    ("iPod", "iPod, iOS", Some("OS ")),
    ("BlackBerry", "BlackBerry", None),
    ("BB10", "BlackBerry 10", None),
    ("PlayBook", "PlayBook", None),
    ("webOS", "webOS", Some("webOS/")),
    ("hpwOS", "webOS", Some("hpwOS/")),
    ("Silk", "Kindle Silk", Some("Silk/")),
    ("Windows Phone", "Windows Phone", Some("Windows Phone ")),
    ("MeeGo", "MeeGo", None),
    ("Symbian", "Symbian", None),
    // Browsers. The order matters: later browsers include the names of earlier ones.
    ("PhantomJS", "PhantomJS", Some("PhantomJS/")),
    ("Edge/", "Edge", Some("Edge/")),
    ("Edg/", "Edge", Some("Edg/")),
    ("OPR/", "Opera", Some("OPR/")),
    ("Opera Mini", "Opera Mini", Some("Opera Mini/")),
    ("Presto", "Opera", Some("Version/")),
    ("SamsungBrowser", "Samsung Browser", Some("SamsungBrowser/")),
    ("Trident/7", "Internet Explorer 11", None),
    ("MSIE", "Internet Explorer", Some("MSIE ")),
    ("Firefox", "Firefox", Some("Firefox/")),
    ("HeadlessChrome", "Chrome", Some("HeadlessChrome/")),
    ("Chromium", "Chromium", Some("Chromium/")),
    ("CriOS", "Chrome", Some("CriOS/")),
    ("Android", "Android", Some("Android ")),
    ("Chrome", "Chrome", Some("Chrome/")),
    ("QtWebKit", "QtWebKit", None),
    ("Safari", "Safari", Some("Version/")),
    // Libraries.
    ("okhttp", "okhttp", Some("okhttp/")),
    ("AutobahnTestSuite", "Autobahn|Testsuite", None),
    ("AutobahnPython", "Autobahn|Python", Some("AutobahnPython/")),
    (
        "AutobahnAndroid",
        "Autobahn|Android",
        Some("AutobahnAndroid/"),
    ),
    ("Python/", "Python", Some("Python/")),
    ("Ruby", "Ruby", None),
    ("WebSocket++", "WebSocket++", Some("WebSocket++/")),
    ("Java/", "Java", Some("Java/")),
    ("Apache-HttpClient", "Apache HttpClient", None),
    ("node-XMLHttpRequest", "Node.js", None),
    ("axum", "Rust", None),
];

/// The longest name of an unknown device, in characters.
const SHOWN: usize = 40;

/// Returns the kind of device that a user agent names.
pub(super) fn device(agent: &str) -> String {
    let found = DEVICES.iter().find(|(mark, ..)| agent.contains(mark));
    let Some((_, name, before)) = found else {
        let product = agent.split([' ', '/', '(']).next().unwrap_or_default();
        let product: String = product.chars().take(SHOWN).collect();
        return match product.is_empty() {
            true => "unnamed".to_owned(),
            false => product,
        };
    };
    let version = before.and_then(|before| {
        let (_, behind) = agent.split_once(before)?;
        let digits = behind.find(|character: char| !character.is_ascii_digit());
        let version = behind.get(..digits.unwrap_or(behind.len()))?;
        (1..=4).contains(&version.len()).then_some(version)
    });
    match version {
        Some(version) => format!("{name} {version}"),
        None => (*name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_distinguished_by_their_user_agent() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) Version/5.1 Mobile/9B206 Safari/7534.48.3",
                "iPad, iOS 5",
            ),
            (
                "Mozilla/5.0 (iPhone; U; CPU iPhone OS 4_2_1 like Mac OS X; en-us) AppleWebKit/533.17.9 (KHTML, like Gecko) Version/5.0.2 Mobile/8C148 Safari/6533.18.5",
                "iPhone, iOS 4",
            ),
            (
                "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.8 Safari/534.34",
                "PhantomJS 1",
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 2.4.0) AppleWebKit/538.1 (KHTML, like Gecko) Version/2.4.0 TV Safari/538.1",
                "Samsung TV 2",
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer 11",
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)",
                "Internet Explorer 10",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:6.0) Gecko/20100101 Firefox/6.0",
                "Firefox 6",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/535.1 (KHTML, like Gecko) Chrome/14.0.835.202 Safari/535.1",
                "Chrome 14",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
                "Android 4",
            ),
            (
                "Opera/9.80 (X11; Linux x86_64) Presto/2.12.388 Version/12.16",
                "Opera 12",
            ),
            (
                "Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10_6_6; en-us) AppleWebKit/533.20.25 (KHTML, like Gecko) Version/5.0.4 Safari/533.20.27",
                "Safari 5",
            ),
            ("okhttp/3.12.1", "okhttp 3"),
            ("Python/3.11 websockets/12.0", "Python 3"),
            ("meter-7 firmware 3", "meter-7"),
            ("<script>alert(1)</script>", "<script>alert"),
            ("", "unnamed"),
            ("   ", "unnamed"),
            ("Chrome/99999999999999", "Chrome"),
        ] {
            assert_eq!(device(agent), expected, "{agent}");
        }
        assert_eq!(device(&"a".repeat(8192)).len(), SHOWN);
        assert_eq!(device("\u{202e}evil").chars().next(), Some('\u{202e}'));
    }
}
