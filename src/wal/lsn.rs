//! Log sequence numbers as numbers and in PostgreSQL's notation (`0/3000148`).

/// Parses `0/3000148`.
pub fn parse(text: &str) -> Option<u64> {
    let (high, low) = text.trim().split_once('/')?;
    let high = u64::from_str_radix(high, 16).ok()?;
    let low = u64::from_str_radix(low, 16).ok()?;
    (high <= u64::from(u32::MAX) && low <= u64::from(u32::MAX)).then_some(high << 32 | low)
}

pub fn show(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_survive_their_notation(lsn: u64) {
            prop_assert_eq!(parse(&show(lsn)), Some(lsn));
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        assert_eq!(parse("0/3000148"), Some(0x300_0148));
        assert_eq!(parse("3000148"), None);
        assert_eq!(parse("0/123456789"), None);
    }
}
