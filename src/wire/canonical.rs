//! The canonical string, which a request's signature covers: `METHOD \n PATH \n TIMESTAMP \n NONCE`, joined by
//! single line feeds without one at the end. PROTOCOL.md, "Canonical string".

use std::borrow::Cow;

/// The signed part of a request's address.
#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
}

/// The canonical string of a request, as the pieces that a MAC is fed with.
pub(crate) struct Canonical<'a> {
    method: Cow<'a, str>,
    path: &'a str,
    timestamp: &'a [u8],
    nonce: &'a [u8],
}

impl<'a> Canonical<'a> {
    /// `None` if method or target cannot stand in a request line, so that no two requests share a string.
    pub(crate) fn new(resource: Resource<'a>, timestamp: &'a [u8], nonce: &'a [u8]) -> Option<Self> {
        let Resource { method, target } = resource;
        let method = if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            Cow::Owned(method.to_ascii_uppercase())
        } else {
            Cow::Borrowed(method)
        };
        is_token(&method).then_some(())?;
        Some(Self { method, path: pathname(target)?, timestamp, nonce })
    }

    pub(crate) fn parts(&self) -> [&[u8]; 7] {
        let separator = b"\n".as_slice();
        [
            self.method.as_bytes(),
            separator,
            self.path.as_bytes(),
            separator,
            self.timestamp,
            separator,
            self.nonce,
        ]
    }
}

/// The path of a request target as it travels on the wire: percent-encoded, without query. A target in absolute form
/// (RFC 9112 §3.2.2) loses scheme and authority. `None` if it is no path. A fragment never travels: servers disagree on
/// what a `#` means, so that a target with one is none either.
pub fn pathname(target: &str) -> Option<&str> {
    let origin_form = if target.starts_with('/') {
        target
    } else {
        let (scheme, rest) = target.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (is_scheme(scheme) && !authority.is_empty()).then_some(path)?
    };
    let path = origin_form.split('?').next().filter(|path| !path.is_empty()).unwrap_or("/");
    let may_travel = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    target.bytes().all(may_travel).then_some(path)
}

/// The scheme of a URI (RFC 3986 §3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A method is a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(method: &str, target: &str) -> Option<String> {
        let canonical = Canonical::new(Resource { method, target }, b"17", b"bm9uY2U=")?;
        Some(String::from_utf8(canonical.parts().concat()).unwrap())
    }

    #[test]
    fn four_lines_without_a_final_line_feed() {
        assert_eq!(canonical("POST", "/api/secure-data").unwrap(), "POST\n/api/secure-data\n17\nbm9uY2U=");
        assert_eq!(canonical("patch", "/a?secret=1").unwrap(), "PATCH\n/a\n17\nbm9uY2U=");
    }

    #[test]
    fn the_path_stays_as_it_travels() {
        for (target, path) in [
            ("/", "/"),
            ("/api/notes/caf%C3%A9%20au%20lait", "/api/notes/caf%C3%A9%20au%20lait"),
            ("/a/../b//c/./", "/a/../b//c/./"),
            ("/a?", "/a"),
            ("//host/a", "//host/a"),
            ("https://example.org/a/b?c", "/a/b"),
            ("http://example.org", "/"),
            ("http://example.org?x", "/"),
            ("coap+tcp://example.org/a", "/a"),
        ] {
            assert_eq!(pathname(target), Some(path), "{target}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_request_line_has_no_string() {
        for target in [
            "",
            "a",
            "*",
            "?a",
            "/a b",
            "/a\nb",
            "/caf\u{e9}",
            "/\0",
            "example.org:443",
            "/a#b",
            "/a?b#c",
            "http://a#b",
            "https:///a",
            "https://?a",
            "://host/a",
            "1x://host/a",
            "h_p://host/a",
        ] {
            assert_eq!(canonical("GET", target), None, "{target:?}");
        }
        for method in ["", "GET ", "GET\n/x", "G\u{c9}T"] {
            assert_eq!(canonical(method, "/"), None, "{method:?}");
        }
    }
}
