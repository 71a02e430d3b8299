//! Base64, standard alphabet, padded (RFC 4648 §4), and nothing else: no URL alphabet, no missing padding,
//! no white space, no stray bits after the last byte. PROTOCOL.md, "Encodings".

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How many characters `bytes` bytes become.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Encodes into `out`, which must be exactly [`encoded_len`] long.
#[must_use]
pub(crate) fn encode_to(bytes: &[u8], out: &mut [u8]) -> bool {
    STANDARD.encode_slice(bytes, out) == Ok(out.len())
}

/// Decodes text of any length into one allocation of the right size.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|&&c| c == b'=').count();
    let mut out = vec![0; (text.len() / 4 * 3).checked_sub(padding)?];
    decode_to(text, &mut out)?;
    Some(out)
}

/// Decodes text that must hold exactly `out.len()` bytes. On failure, what `out` holds is not to be used.
pub(crate) fn decode_to(text: &[u8], out: &mut [u8]) -> Option<()> {
    if text.len() != encoded_len(out.len()) {
        return None;
    }
    (STANDARD.decode_slice(text, out) == Ok(out.len())).then_some(())
}

/// Decodes text that must hold exactly `N` bytes.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    decode_to(text, &mut out)?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips() {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = encode(&bytes);
            assert_eq!(text.len(), encoded_len(bytes.len()));
            assert_eq!(decode(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn anything_but_the_canonical_text_is_refused() {
        for text in [
            "A", "AA", "AAA", "AA=", "AAA\n", " AAAA", "A=AA", "AAAA====", "AA==AAAA", "====", "-_-_",
            "AB==", "AAB=",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decode_array::<2>(b"AAAA"), None);
        assert_eq!(decode_array::<3>(b"AAAA"), Some([0; 3]));
    }
}
