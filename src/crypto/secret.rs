//! A fixed number of secret bytes.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes in one heap allocation, so that moving the value leaves no copy behind; wiped on drop.
///
/// There is no `Debug`, no `PartialEq` and no `Clone`: whoever needs the bytes says so with
/// [`Secret::expose`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// All zero, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    /// Takes over `bytes` and wipes them at their old place.
    pub(crate) fn take(bytes: &mut [u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        bytes.zeroize();
        secret
    }

    /// A copy of `bytes`, which stay the caller's to wipe.
    pub(crate) fn copied(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeroed();
        *secret.0 = *bytes;
        secret
    }

    /// The bytes.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The bytes, to be written in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_wipes_the_source() {
        let mut source = [7u8; 32];
        let secret = Secret::take(&mut source);
        assert_eq!(source, [0; 32]);
        assert_eq!(secret.expose(), &[7; 32]);
    }
}
