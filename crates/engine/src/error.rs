//! What an engine answers when it does not do what was asked, sorted into [`DriverError`]'s kinds.

use pluvio_runtime::driver::DriverError;

/// How one exchange with the engine failed, before it is known what it means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection, or it broke.
    Connection(String),
    /// An answer that is not a success.
    Answer { status: u16, message: String },
    /// A success whose body makes no sense.
    Body(String),
}

impl Failure {
    /// Names what was attempted (`create container web`) and on what (`container web`).
    pub(crate) fn attempting(self, attempt: &str, what: &str) -> DriverError {
        let refused = |message: String| DriverError::Refused {
            attempt: attempt.to_owned(),
            message,
        };
        let (status, message) = match self {
            Failure::Connection(why) => return DriverError::Unreachable(why),
            Failure::Body(why) => {
                return refused(format!("its answer cannot be read: {why}"));
            }
            Failure::Answer { status, message } => (status, message),
        };
        let lower = message.to_ascii_lowercase();
        let says = |part: &str| lower.contains(part);
        if says("no space left on device") || says("disk quota exceeded") {
            DriverError::NoSpace(message)
        } else if says("port is already allocated")
            || says("ports are not available")
            || (says("bind") && says("address already in use"))
        {
            DriverError::PortTaken(port_in(&message).unwrap_or(message))
        } else if says("pool overlaps") || (says("subnet") && says("already used")) {
            DriverError::AlreadyExists {
                what: "the subnet".to_owned(),
            }
        } else if status == 404 && !says("network") || says("no such container") {
            // A missing network or image while a container is made is not the container that is missing.
            DriverError::NotFound {
                what: if message.is_empty() {
                    what.to_owned()
                } else {
                    format!("{what} ({message})")
                },
            }
        } else if status == 404 {
            DriverError::NotFound {
                what: format!("a network ({message})"),
            }
        } else if (status == 409 || status == 500)
            && (says("name") || says("volume") || says("network"))
            && (says("already in use") || says("already exists") || says("already used"))
        {
            DriverError::AlreadyExists {
                what: what.to_owned(),
            }
        } else {
            refused(message)
        }
    }
}

/// The port in `Bind for 0.0.0.0:80 failed: port is already allocated` and its like.
fn port_in(message: &str) -> Option<String> {
    message
        .match_indices(':')
        .map(|(at, _)| {
            message[at + 1..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        })
        .find(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, message: &str, expected: &str) {
        let failure = Failure::Answer {
            status,
            message: message.to_owned(),
        };
        let error = failure.attempting("create container web", "container web");
        let kind = format!("{error:?}");
        assert!(kind.starts_with(expected), "{message:?} became {kind}");
    }

    #[test]
    fn both_engines_words_are_understood() {
        check(404, "No such container: web", "NotFound");
        check(404, "No such image: nginx:latest", "NotFound");
        check(
            404,
            "network shop not found",
            "NotFound { what: \"a network",
        );
        check(
            409,
            "Conflict. The container name \"/web\" is already in use by container \"ab\".",
            "AlreadyExists",
        );
        check(
            500,
            "creating container storage: the container name \"web\" is already in use by ab.",
            "AlreadyExists",
        );
        check(
            500,
            "write /var/lib/docker/tmp/x: no space left on device",
            "NoSpace",
        );
        check(
            500,
            "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated",
            "PortTaken(\"80\")",
        );
        check(
            500,
            "cannot listen on the TCP port: listen tcp4 127.0.0.1:8080: bind: address already in use",
            "PortTaken(\"8080\")",
        );
        check(
            403,
            "Pool overlaps with other one on this address space",
            "AlreadyExists { what: \"the subnet",
        );
        check(
            500,
            "subnet 10.1.0.0/26 is already used on the host or by another config",
            "AlreadyExists { what: \"the subnet",
        );
        check(409, "volume is in use - [ab]", "Refused");
    }
}
