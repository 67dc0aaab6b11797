//! Text for 80 columns.

/// Width of the terminal that everything is laid out for.
pub const WIDTH: usize = 80;

/// Breaks lines that are too long between words; what does not fit goes on in the column
/// `hang`, or else four to the right of where its line begins.
pub fn fold(text: &str, hang: Option<usize>) -> String {
    let lines = text.lines().flat_map(|line| {
        let indent = line.len() - line.trim_start().len();
        fold_line(line, hang.unwrap_or(indent + 4))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn fold_line(line: &str, hang: usize) -> Vec<String> {
    let (mut folded, mut rest) = (Vec::new(), String::new());
    for word in line.split_inclusive(' ') {
        let fits = rest.chars().count() + word.trim_end().chars().count() <= WIDTH;
        if !fits && !rest.trim().is_empty() {
            folded.push(rest.trim_end().to_owned());
            rest = " ".repeat(hang);
        }
        rest.push_str(word);
    }
    folded.push(rest.trim_end().to_owned());
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_between_words() {
        let text = format!("  checks  {}", "one, two, ".repeat(20));
        for (hang, margin) in [(None, 6), (Some(10), 10)] {
            let folded = fold(&text, hang);
            let lines: Vec<&str> = folded.lines().collect();
            assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= WIDTH));
            assert!(lines[0].starts_with("  checks  one"), "{folded}");
            let indent = |line: &&str| line.len() - line.trim_start().len() == margin;
            assert!(lines[1..].iter().all(indent), "{folded}");
        }
    }

    #[test]
    fn what_fits_and_what_has_no_gap_stays_as_it_is() {
        for text in [
            "a  b\n  c",
            &"x".repeat(90),
            &format!("  {}", "é".repeat(78)),
        ] {
            assert_eq!(fold(text, None), text);
        }
        let cut = crate::text::cut(&"x".repeat(90), WIDTH);
        assert_eq!(cut.chars().count(), WIDTH);
    }
}
