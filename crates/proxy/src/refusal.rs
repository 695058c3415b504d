//! What the gateway answers itself when no instance does.
//!
//! Clients learn what kind of thing went wrong and never where: no address, no instance, no application is named. Operators find
//! those, under the same code, in the access log.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use pluvio_model::problem::{self, Code, Problem};

/// Why a request got no answer from an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The host header is missing, given twice, or no host name.
    BadHost,
    /// CONNECT: this is no forward proxy.
    Method,
    /// No route has this host and path.
    NoRoute,
    /// The request's body is larger than its route allows.
    BodyTooLarge,
    /// The client stopped sending its request's body, or sent it wrongly.
    BodyBroken,
    /// The client took too long to send its request's body.
    BodyStalled,
    /// The backend has no instance that is ready.
    NoEndpoint,
    /// The backend was stopped by a person.
    Stopped,
    /// The backend was being replaced for longer than requests are held, or too many were held already.
    HeldTooLong,
    /// No instance could be connected to.
    Unreachable,
    /// No instance accepted a connection in time.
    ConnectTimeout,
    /// The instance closed the connection before it answered.
    NoAnswer,
    /// The instance did not answer in time.
    AnswerTimeout,
    /// The instance sent something that is no HTTP answer.
    InvalidAnswer,
}

impl Refusal {
    /// Every refusal, for documents and tests.
    pub const ALL: [Refusal; 14] = [
        Refusal::BadHost,
        Refusal::Method,
        Refusal::NoRoute,
        Refusal::BodyTooLarge,
        Refusal::BodyBroken,
        Refusal::BodyStalled,
        Refusal::NoEndpoint,
        Refusal::Stopped,
        Refusal::HeldTooLong,
        Refusal::Unreachable,
        Refusal::ConnectTimeout,
        Refusal::NoAnswer,
        Refusal::AnswerTimeout,
        Refusal::InvalidAnswer,
    ];

    /// Stable: in the answer, the access log and the error pages.
    pub fn code(self) -> Code {
        self.parts().0
    }

    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is told to whoever sent the request.
    pub fn problem(self) -> Problem {
        let (code, cause, remedy) = self.parts();
        code.problem(cause, remedy)
    }

    fn parts(self) -> (Code, &'static str, &'static str) {
        match self {
            Refusal::BadHost => (
                problem::GATEWAY_BAD_HOST,
                "The request does not name one valid host.",
                "Send exactly one Host header with the name of the application.",
            ),
            Refusal::Method => (
                problem::GATEWAY_METHOD,
                "The gateway does not open tunnels to other hosts.",
                "Do not configure this address as a forward proxy.",
            ),
            Refusal::NoRoute => (
                problem::GATEWAY_NO_ROUTE,
                "Nothing is published under this host and path.",
                "Check the address; `pluvio route` lists what an application publishes.",
            ),
            Refusal::BodyTooLarge => (
                problem::GATEWAY_BODY_TOO_LARGE,
                "The request's body is larger than this route allows.",
                "Send less, or raise the route's body limit.",
            ),
            Refusal::BodyBroken => (
                problem::GATEWAY_BODY_BROKEN,
                "The request's body ended before it was complete or is not well-formed.",
                "Send the request again.",
            ),
            Refusal::BodyStalled => (
                problem::GATEWAY_BODY_STALLED,
                "The request's body was not sent in time.",
                "Send the request again.",
            ),
            Refusal::NoEndpoint => (
                problem::GATEWAY_NO_INSTANCE,
                "The application has no instance that is ready.",
                "Try again shortly; `pluvio status` and `pluvio logs` show why none is ready.",
            ),
            Refusal::Stopped => (
                problem::GATEWAY_STOPPED,
                "The application is stopped.",
                "`pluvio start` starts it.",
            ),
            Refusal::HeldTooLong => (
                problem::GATEWAY_HELD,
                "The application is being replaced and its new instance is not ready yet.",
                "Try again shortly; `pluvio operations` shows the operation.",
            ),
            Refusal::Unreachable => (
                problem::GATEWAY_UNREACHABLE,
                "No instance of the application accepts connections.",
                "`pluvio logs` shows what the application says; check the port it listens on.",
            ),
            Refusal::ConnectTimeout => (
                problem::GATEWAY_CONNECT_TIMEOUT,
                "No instance of the application accepted a connection in time.",
                "Try again shortly; the application may be overloaded.",
            ),
            Refusal::NoAnswer => (
                problem::GATEWAY_NO_ANSWER,
                "The application closed the connection before it answered.",
                "`pluvio logs` shows what the application says; it may have crashed.",
            ),
            Refusal::AnswerTimeout => (
                problem::GATEWAY_ANSWER_TIMEOUT,
                "The application did not answer in time.",
                "Try again, or raise the route's response timeout.",
            ),
            Refusal::InvalidAnswer => (
                problem::GATEWAY_INVALID_ANSWER,
                "The application's answer is not valid HTTP.",
                "Check that the route's port speaks HTTP and which version of it.",
            ),
        }
    }

    /// The answer, in HTML for those who ask for it, as a problem document (RFC 9457) for everybody else.
    pub(crate) fn answer(self, method: &Method, headers: &HeaderMap) -> Response<Bytes> {
        let html = headers.get_all(header::ACCEPT).iter().any(|accept| {
            accept
                .as_bytes()
                .split(|b| *b == b',' || *b == b';')
                .any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/html"))
        });
        let (kind, text) = if html {
            ("text/html; charset=utf-8", self.html())
        } else {
            ("application/problem+json", self.json())
        };
        let length = text.len();
        let body = if *method == Method::HEAD {
            Bytes::new()
        } else {
            Bytes::from(text)
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = self.status();
        let fields = answer.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if self == Refusal::Method {
            fields.insert(
                header::ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        answer
    }

    fn json(self) -> String {
        serde_json::to_string(&self.problem()).unwrap_or_default()
    }

    fn html(self) -> String {
        let Problem {
            code,
            status,
            title,
            cause,
            remedy,
            ..
        } = self.problem();
        // The texts are this crate's own, without characters that HTML minds (a test holds that).
        let remedy: String = remedy
            .split('`')
            .enumerate()
            .map(|(nth, part)| match nth % 2 {
                0 => part.to_owned(),
                _ => format!("<code>{part}</code>"),
            })
            .collect();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{status} {title}</title>\
             <style>body{{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:34rem;padding:0 1rem;\
             color:#1c2430;background:#fff}}small{{color:#5b6675}}@media(prefers-color-scheme:dark)\
             {{body{{color:#e6eaf0;background:#12161c}}small{{color:#93a0b0}}}}</style>\
             <h1>{title}</h1><p>{cause}<p>{remedy}<p><small>{status} {code}</small></html>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_texts_need_no_escaping() {
        let mut codes: Vec<_> = Refusal::ALL.iter().map(|r| r.code().code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            let Problem {
                title,
                cause,
                remedy,
                ..
            } = refusal.problem();
            assert!(![title, cause, remedy].concat().contains(['&', '<', '>']));
        }
    }

    #[test]
    fn browsers_get_a_page_and_programs_a_problem_document() {
        let check = |accept: Option<&str>, kind: &str| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert("accept", accept.parse().unwrap());
            }
            let answer = Refusal::NoRoute.answer(&Method::GET, &headers);
            assert_eq!(answer.status(), 404);
            assert_eq!(answer.headers()["content-type"], kind);
            assert!(
                String::from_utf8_lossy(answer.body()).contains("gateway.no-route"),
                "{accept:?}"
            );
        };
        check(None, "application/problem+json");
        check(Some("*/*"), "application/problem+json");
        check(Some("application/json"), "application/problem+json");
        check(
            Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
            "text/html; charset=utf-8",
        );
        assert!(
            Refusal::Stopped
                .html()
                .contains("<p><code>pluvio start</code> starts it.")
        );
        let head = Refusal::NoRoute.answer(&Method::HEAD, &HeaderMap::new());
        assert!(head.body().is_empty());
    }
}
