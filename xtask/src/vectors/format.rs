//! How a file of vectors is written: JSON whose members stand in the order in which they are to be read.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A file of vectors, which all have the same members.
pub(super) struct File {
    /// Its name, without an ending.
    pub(super) name: &'static str,
    /// What a runner does with its vectors.
    pub(super) kind: &'static str,
    /// What they are about.
    pub(super) about: &'static str,
    /// What all of them share.
    pub(super) shared: Object,
    pub(super) vectors: Vec<Object>,
}

impl File {
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        let file = Object::default()
            .with("$schema", "./schema.json")
            .with("protocol", nen::PROTOCOL)
            .with("kind", self.kind)
            .with("about", self.about)
            .with("provenance", "Written by `cargo xtask vectors` of fixed seeds; tests/vectors/README.md tells how to use them.")
            .with_all(&self.shared)
            .with("vectors", self.vectors.clone());
        serde_json::to_string_pretty(&file).map(|text| text + "\n")
    }
}

/// A JSON object.
#[derive(Clone, Default)]
pub(super) struct Object(Vec<(String, Json)>);

impl Object {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self::default().with("name", name.into())
    }

    pub(super) fn with(mut self, member: &str, value: impl Into<Json>) -> Self {
        self.0.push((member.to_owned(), value.into()));
        self
    }

    pub(super) fn with_all(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    /// Bytes in hex, under the member's name and `Hex`.
    pub(super) fn hex(self, member: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with(&format!("{member}Hex"), hex(bytes))
    }

    /// Bytes as text, or in hex where they are none that a JSON string could hold.
    pub(super) fn bytes(self, member: &str, bytes: impl AsRef<[u8]>) -> Self {
        match std::str::from_utf8(bytes.as_ref()) {
            Ok(text) if !text.contains('\0') => self.with(member, text),
            _ => self.hex(member, bytes),
        }
    }

    pub(super) fn error(self, code: nen::Code) -> Self {
        self.with("error", code.as_str())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A JSON value.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Json {
    Value(Value),
    Object(Object),
    List(Vec<Json>),
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

macro_rules! from_values {
    ($($type:ty),*) => {$(
        impl From<$type> for Json {
            fn from(value: $type) -> Self {
                Self::Value(value.into())
            }
        }
    )*};
}
from_values!(&str, String, bool, u16, u64);

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
