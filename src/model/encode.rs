//! PostgreSQL's binary COPY format, written into one large buffer.
//!
//! Only the types that generators send; what is in a row is `generate`'s affair.

/// Signature, flags and length of the header's extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub const TRAILER: &[u8] = &(-1i16).to_be_bytes();

const TEXT_OID: i32 = 25;
const INT4_OID: i32 = 23;

pub fn row(out: &mut Vec<u8>, columns: usize) {
    out.extend_from_slice(&(columns as i16).to_be_bytes());
}

/// A column whose bytes `write` appends; its length is filled in afterwards.
pub fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// A column of these bytes: text, an enum's label, bytea, uuid, whole numbers, bool.
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}

pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

/// A value in COPY's text format.
pub fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            other => out.push(*other),
        }
    }
}

/// A numeric of a whole part and ten-thousandths, each below 10^4.
pub fn numeric(out: &mut Vec<u8>, whole: u16, fraction: u16, scale: u16) {
    sized(out, |out| {
        // Digits of base 10^4, weight of the first, sign, digits after the point.
        for field in [2, 0, 0, scale, whole, fraction] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    });
}

/// A one-dimensional array of text; `write` appends one element's bytes.
pub fn text_array(out: &mut Vec<u8>, n: usize, mut write: impl FnMut(&mut Vec<u8>)) {
    array(out, n, TEXT_OID, |out| sized(out, &mut write));
}

pub fn int_array(out: &mut Vec<u8>, n: usize, mut next: impl FnMut() -> i32) {
    array(out, n, INT4_OID, |out| bytes(out, &next().to_be_bytes()));
}

fn array(out: &mut Vec<u8>, n: usize, element: i32, mut write: impl FnMut(&mut Vec<u8>)) {
    sized(out, |out| {
        let dimensions = i32::from(n > 0);
        for field in [dimensions, 0, element] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        if n == 0 {
            return;
        }
        for field in [n as i32, 1] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        (0..n).for_each(|_| write(out));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_carries_its_length() {
        let mut out = Vec::new();
        row(&mut out, 2);
        sized(&mut out, |out| out.extend_from_slice(b"abc"));
        null(&mut out);
        assert_eq!(out, b"\0\x02\0\0\0\x03abc\xff\xff\xff\xff");
    }

    #[test]
    fn an_array_is_dimensions_element_type_and_elements() {
        let mut out = Vec::new();
        int_array(&mut out, 1, || 7);
        let fields = [28, 1, 0, INT4_OID, 1, 1, 4, 7];
        assert_eq!(out, fields.map(i32::to_be_bytes).concat());
    }

    #[test]
    fn a_numeric_has_two_digits_of_base_ten_thousand() {
        let mut out = Vec::new();
        numeric(&mut out, 12, 3400, 2);
        assert_eq!(out, b"\0\0\0\x0c\0\x02\0\0\0\0\0\x02\0\x0c\x0d\x48");
    }
}
