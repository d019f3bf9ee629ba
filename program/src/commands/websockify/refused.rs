//! Options of websockify that are not supported, and the reasons.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// The first unsupported option that was given.
#[derive(Debug)]
pub(super) struct Refused {
    given: Option<(&'static str, &'static str)>,
}

/// The name of an option, the name of its value if it has one, and the reason why it is not
/// supported.
const OPTIONS: &[(&str, Option<&str>, &str)] = &[
    (
        "key-password",
        Some("PASSWORD"),
        "encrypted keys are not read: `openssl pkey -in FILE -out FILE` writes one without a password",
    ),
    (
        "ssl-ciphers",
        Some("LIST"),
        "cipher suites cannot be chosen: all of them have forward secrecy and authenticated encryption",
    ),
    (
        "record",
        Some("FILE"),
        "sessions are recorded by `polysock capture`, which writes a transcript of each",
    ),
    (
        "traffic",
        None,
        "frames are shown by `polysock capture`, which writes a transcript of each session",
    ),
    (
        "wrap-mode",
        Some("MODE"),
        "programs are not wrapped: start the program on another port, and name that as the target",
    ),
    (
        "inetd",
        None,
        "a socket cannot be passed as standard input: name the port to listen on",
    ),
    ("web-auth", None, AUTHENTICATION),
    (
        "syslog",
        Some("SERVER"),
        "the log goes to standard error, from which systemd, docker or `| logger` read it, or to \
         --log-file",
    ),
    (
        "legacy-syslog",
        None,
        "the log goes to standard error, from which systemd, docker or `| logger` read it, or to \
         --log-file",
    ),
];

pub(super) const AUTHENTICATION: &str = "passwords and certificates are not checked: let a proxy in \
     front check them, such as nginx; --auth-plugin ExpectOrigin is supported";

pub(super) const WRAP: &str = "programs are not wrapped: websockify does that with a library that it \
     preloads into the program (LD_PRELOAD), and polysock has none. Start the program on another \
     port, and name that as the target: websockify 6080 localhost:5901";

impl Refused {
    /// Returns the error for an unsupported option, if one was given.
    pub(super) fn problem(&self) -> Option<String> {
        let (name, why) = self.given?;
        Some(format!("--{name} of websockify is not supported: {why}"))
    }
}

impl FromArgMatches for Refused {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |(name, value, _): &&(&str, Option<&str>, &str)| match value {
            Some(_) => matches.contains_id(name),
            None => matches.get_flag(name),
        };
        let given = OPTIONS.iter().find(given);
        Ok(Self {
            given: given.map(|(name, _, why)| (*name, *why)),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Refused {
    fn augment_args(command: Command) -> Command {
        OPTIONS.iter().fold(command, |command, (name, value, why)| {
            let option = Arg::new(*name)
                .long(*name)
                .help(format!("Not supported: {why}"))
                .hide_short_help(true);
            command.arg(match value {
                Some(value) => option.value_name(*value),
                None => option.action(ArgAction::SetTrue),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
