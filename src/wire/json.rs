//! The strict reading of JSON objects: known members once and of the right type, unknown ones ignored.
//! PROTOCOL.md, "Encodings".

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer as _,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

/// The input is no JSON object of the expected shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the members called `names` from a JSON object, all of the type `T`.
pub(crate) fn members<'a, T: Deserialize<'a>, const N: usize>(
    json: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<T>; N], Malformed> {
    let text = std::str::from_utf8(json).map_err(|_| Malformed)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let found = parser.deserialize_map(Members { names, value: PhantomData }).map_err(|_| Malformed)?;
    parser.end().map_err(|_| Malformed)?;
    Ok(found)
}

/// Whether `bytes` are one JSON text in UTF-8.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

struct Members<T, const N: usize> {
    names: [&'static str; N],
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Members<T, N> {
    type Value = [Option<T>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(Text(name)) = map.next_key()? {
            let known = self.names.iter().position(|known| *known == name);
            match known.and_then(|index| found.get_mut(index)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Some(_)) => return Err(A::Error::custom("a member stands twice")),
                Some(member) => *member = Some(map.next_value()?),
            }
        }
        Ok(found)
    }
}

/// A JSON string, borrowed from the input unless it holds an escape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ct(json: &str) -> Result<[Option<Text<'_>>; 1], Malformed> {
        members(json.as_bytes(), ["ct"])
    }

    #[test]
    fn unknown_members_are_ignored_and_escapes_are_read() {
        let text = |text: &'static str| Ok([Some(Text(Cow::Borrowed(text)))]);
        assert_eq!(ct(r#"{"ct":"AA=="}"#), text("AA=="));
        assert_eq!(ct(r#" { "x" : [{"ct":1}, null], "\u0063t" : "A\u0041" } "#), text("AA"));
        assert_eq!(ct("{}"), Ok([None]));
    }

    #[test]
    fn malformed_input_is_refused() {
        let deep = format!(r#"{{"ct":{}"#, "[".repeat(1_000_000));
        for json in [
            "",
            "null",
            "[]",
            r#"["AA=="]"#,
            "\"ct\"",
            "{",
            r#"{"ct":1}"#,
            r#"{"ct":null}"#,
            r#"{"ct":["A"]}"#,
            r#"{"ct":"A"}x"#,
            r#"{"ct":"A"}{}"#,
            r#"{"ct":"A","ct":"A"}"#,
            r#"{"ct":"A",}"#,
            "{'ct':'A'}",
            "{\"ct\":\"A\u{1}\"}",
            r#"{"ct":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(ct(json), Err(Malformed), "{}", json.get(..40).unwrap_or(json));
        }
        assert_eq!(members::<Text<'_>, 1>(b"{\"ct\":\"\xff\"}", ["ct"]), Err(Malformed));
        assert_eq!(members::<Text<'_>, 1>(b"{\"x\":\"\xff\",\"ct\":\"A\"}", ["ct"]), Err(Malformed));
        assert_eq!(members::<Text<'_>, 1>(b"\xef\xbb\xbf{\"ct\":\"A\"}", ["ct"]), Err(Malformed));
    }

    #[test]
    fn json_is_told_from_other_text() {
        for json in ["null", "1", "\"\"", "[]", "{\"a\":[1,2.5e3,true]}", " 1 "] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in ["", "undefined", "NaN", "{'a':1}", "1 2", "[1,]", "\u{feff}1"] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
        assert!(!is_json(b"\"\xff\""));
    }
}
