//! What differs between two lists of named definitions, told by name with the lines that differ.

use std::collections::BTreeMap;

use crate::text::cut;

/// Lines of a definition that are told, of each side.
const LINES: usize = 3;
/// Characters of a line that are told.
const WIDTH: usize = 161;

pub(super) type Definitions = BTreeMap<String, String>;

/// Each object that is not the same, in a line: missing ones and changed ones, then added ones.
pub(super) fn differences(was: &Definitions, is: &Definitions) -> Vec<String> {
    let gone = was.iter().filter_map(|(name, was)| match is.get(name) {
        None => Some(format!("{name} is missing")),
        Some(is) if is == was => None,
        Some(is) => Some(format!("{name} differs: {}", lines(was, is))),
    });
    let new = is.keys().filter(|name| !was.contains_key(*name));
    gone.chain(new.map(|name| format!("{name} is new")))
        .collect()
}

/// The lines of one side that the other does not have; all when only their order differs.
fn lines(was: &str, is: &str) -> String {
    let mut gone = without(was.lines(), is.lines());
    let mut new = without(is.lines(), was.lines());
    if gone.is_empty() && new.is_empty() {
        gone = was.lines().collect();
        new = is.lines().collect();
    }
    let side = |word: &str, lines: &[&str]| {
        let shown: Vec<String> = lines
            .iter()
            .take(LINES)
            .map(|line| cut(line.trim(), WIDTH))
            .collect();
        let more = if lines.len() > LINES { " …" } else { "" };
        (!lines.is_empty()).then(|| format!("{word} `{}`{more}", shown.join("` `")))
    };
    let sides = [side("was", &gone), side("is", &new)];
    sides.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// These lines without the others, each as often as it stands there.
pub(super) fn without<'t, L: PartialEq + ?Sized>(
    lines: impl IntoIterator<Item = &'t L>,
    others: impl IntoIterator<Item = &'t L>,
) -> Vec<&'t L> {
    let mut there: Vec<&L> = others.into_iter().collect();
    let mut left = Vec::new();
    for line in lines {
        match there.iter().position(|one| *one == line) {
            Some(at) => drop(there.swap_remove(at)),
            None => left.push(line),
        }
    }
    left
}

/// The head of a difference, for a message of one line.
pub(super) fn head(difference: &str) -> &str {
    let end = difference
        .find(" differs: ")
        .map(|at| at + " differs".len());
    &difference[..end.unwrap_or(difference.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: &[(&str, &str)]) -> Definitions {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        objects.iter().map(owned).collect()
    }

    #[test]
    fn what_differs_is_told_by_name_and_line() {
        let was = of(&[("a", "1"), ("f", "begin\nold\nend"), ("s", "same")]);
        let is = of(&[("b", "1"), ("f", "begin\nnew\nnewer\nend"), ("s", "same")]);
        let told = differences(&was, &is);
        let expected = [
            "a is missing",
            "f differs: was `old`, is `new` `newer`",
            "b is new",
        ];
        assert_eq!(told, expected);
        assert_eq!(head(&told[1]), "f differs");
        assert_eq!(head(&told[0]), "a is missing");
    }

    #[test]
    fn an_order_is_told_by_all_lines() {
        let told = differences(&of(&[("t", "a\nb")]), &of(&[("t", "b\na")]));
        assert_eq!(told, ["t differs: was `a` `b`, is `b` `a`"]);
        assert_eq!(
            differences(&of(&[("t", "a\na")]), &of(&[("t", "a")])),
            ["t differs: was `a`"]
        );
    }

    #[test]
    fn long_definitions_are_cut() {
        let (was, is) = ("é".repeat(400), "x\n".repeat(9));
        let told = differences(&of(&[("v", &was)]), &of(&[("v", &is)]));
        assert!(
            told[0].contains("é…`") && told[0].ends_with("is `x` `x` `x` …"),
            "{told:?}"
        );
    }
}
