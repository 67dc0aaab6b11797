//! Words in many scripts, and texts of an exact length made of them.

use std::sync::LazyLock;

use rand::Rng;

type Words = LazyLock<Vec<&'static str>>;

/// 64 words; none needs escaping in JSON.
static WORDS: Words = LazyLock::new(|| {
    "backup restore request agent invoice meeting the and of to report quarter naïve Straße \
     garçon señor über smörgåsbord płatność žádost 数据 备份 恢复 审批 租户 会议纪要 客户 北京 請求 確認 データ バックアップ \
     こんにちは 東京 데이터 복구 안녕하세요 данные резервная копия договор встреча Київ Ελληνικά ασφάλεια αίτημα \
     بيانات نسخة طلب اجتماع القاهرة שלום גיבוי नमस्ते डेटा অনুরোধ สวัสดี ข้อมูล 🙂 🚀 👩‍💻 ✅ 𝛼𝛽 \
     n°42"
        .split_whitespace()
        .collect()
});
static GIVEN: Words = LazyLock::new(|| {
    "Ana Bjørn Chloé Дмитрий Elif فاطمة Grace 浩然 Ingrid José Kofi Λυδία 美咲 Noor Ольга Priya"
        .split_whitespace()
        .collect()
});
static FAMILY: Words = LazyLock::new(|| {
    "Almeida Berg Чехова Dubois Eriksson الفارسي García 何 Ivanov Jansen 김 López Müller Nguyễn \
     Okafor 佐藤"
        .split_whitespace()
        .collect()
});

/// Appends exactly `length` bytes of words, never cut inside a character.
pub fn text(rng: &mut impl Rng, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    while out.len() < end {
        let mut bits = rng.next_u64();
        for _ in 0..10 {
            out.extend_from_slice(WORDS[(bits & 63) as usize].as_bytes());
            out.push(b' ');
            bits >>= 6;
        }
    }
    let mut cut = end;
    while cut < out.len() && out[cut] & 0xC0 == 0x80 {
        cut -= 1;
    }
    out.truncate(cut);
    out.resize(end, b'.');
}

pub fn word(rng: &mut impl Rng, out: &mut Vec<u8>) {
    out.extend_from_slice(WORDS[(rng.next_u32() & 63) as usize].as_bytes());
}

pub fn name(rng: &mut impl Rng, out: &mut Vec<u8>) {
    let bits = rng.next_u32() as usize;
    out.extend_from_slice(GIVEN[bits & 15].as_bytes());
    out.push(b' ');
    out.extend_from_slice(FAMILY[bits >> 4 & 15].as_bytes());
}

/// Appends `length` bytes of a JSON object in the form in which `jsonb` prints it; at
/// least 30.
pub fn object(rng: &mut impl Rng, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length.max(30);
    out.extend_from_slice(b"{\"id\": ");
    // The first digit is not 0, and there are always nine.
    let number = 100_000_000 + rng.next_u32() % 900_000_000;
    out.extend_from_slice(number.to_string().as_bytes());
    out.extend_from_slice(b", \"text\": \"");
    let fill = end - 2 - out.len();
    text(rng, fill, out);
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    proptest! {
        #[test]
        fn texts_have_the_length_wanted_and_are_utf8(seed: u64, length in 0usize..3000) {
            let mut out = Vec::new();
            text(&mut ChaCha12Rng::seed_from_u64(seed), length, &mut out);
            prop_assert_eq!(out.len(), length);
            prop_assert!(std::str::from_utf8(&out).is_ok());
        }

        #[test]
        fn objects_have_the_length_wanted_and_are_json(seed: u64, length in 30usize..1000) {
            let mut out = Vec::new();
            object(&mut ChaCha12Rng::seed_from_u64(seed), length, &mut out);
            prop_assert_eq!(out.len(), length);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }
    }
}
