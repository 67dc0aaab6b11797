//! A run in Markdown: for the summary page of a CI job.
//!
//! Of drills that are not as expected what is wrong, then a table of all. Where it goes is the command
//! line's business.

use super::{DrillReport, RunSummary, brief};
use crate::text::on_one_line;

/// GitHub shows nothing of a summary beyond 1 MiB, which all steps of a job share.
const LIMIT: usize = 500_000;

/// More drills than this are folded away: what is wrong stands before them.
const FOLDED: usize = 20;

const HEAD: &str =
    "| drill | outcome | workload | RPO | RTO | outage |\n|---|---|---|---|---|---|\n";

/// The run, the worst drills first, of GitHub's flavour, which GitLab and Gitea show alike.
pub fn render(run: &RunSummary) -> String {
    let drills = brief::worst_first(run);
    let head = format!(
        "## pgdrill: {}\n\n{}, run `{}`\n\n",
        brief::mark(run.outcome),
        brief::totals(run),
        run.run
    );
    let skipped = run.skipped.iter().map(|one| {
        let cells = [&code(&one.drill), "skipped", &plain(&one.why), "", "", ""];
        row(cells)
    });
    let rows = drills.iter().map(|drill| rows(drill)).chain(skipped);
    let table = std::iter::once(HEAD.to_owned()).chain(rows);
    let (open, close) = match drills.len() > FOLDED {
        true => (
            "<details><summary>All drills</summary>\n\n",
            "\n</details>\n",
        ),
        false => ("", ""),
    };
    let mut text = limited(head, brief::wrong(&drills).map(what_is_wrong), LIMIT / 2);
    text.push_str(open);
    limited(text, table, LIMIT) + close
}

/// A text with as many of these parts at its end as may be.
fn limited(mut text: String, parts: impl Iterator<Item = String>, limit: usize) -> String {
    for part in parts {
        if text.len() + part.len() > limit {
            text.push_str("\n… cut here: all of it is in report.html\n\n");
            break;
        }
        text.push_str(&part);
    }
    text
}

/// A row a workload, one where there is none.
fn rows(drill: &DrillReport) -> String {
    let (name, mark) = (code(&drill.drill), brief::mark(drill.judged.outcome));
    let workload = |measures| {
        let [rpo, rto, outage] =
            brief::figures(drill, measures).map(|figure| plain(&figure.replace("<=", "≤")));
        row([
            &name,
            &mark,
            &plain(&measures.workload),
            &rpo,
            &rto,
            &outage,
        ])
    };
    match drill.measures.is_empty() {
        true => row([&name, &mark, "", "", "", ""]),
        false => drill.measures.iter().map(workload).collect(),
    }
}

fn row(cells: [&str; 6]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn what_is_wrong(drill: &DrillReport) -> String {
    let mut text = format!(
        "### {} {}\n\n",
        brief::mark(drill.judged.outcome),
        code(&drill.drill)
    );
    for finding in brief::told(drill) {
        let (word, id) = (finding.verdict.word(), code(&finding.id));
        text.push_str(&format!("- {word} {id}: {}\n", plain(&finding.message)));
    }
    if let Some(ids) = brief::in_consequence(drill) {
        text.push_str(&format!("- unknown in consequence: {}\n", plain(&ids)));
    }
    text.extend(brief::other_reasons(drill).map(|why| format!("- {}\n", plain(why))));
    text + "\n"
}

/// A name, which holds no backquote that would end it.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'").replace('|', "\\|"))
}

/// A text on one line, in which nothing is Markdown or HTML: both take punctuation by its number.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in on_one_line(text).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '#' | '~' | '@' | '$' => {
                plain.push_str(&format!("&#{};", u32::from(character)));
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_cut_and_said_so() {
        let parts = || (0..3).map(|number| format!("{number}{}", "x".repeat(9)));
        assert_eq!(limited(String::new(), parts(), 30).len(), 30);
        let cut = limited(String::new(), parts(), 29);
        assert!(cut.starts_with("0xxxxxxxxx1xxxxxxxxx\n… cut here"), "{cut}");
    }

    #[test]
    fn nothing_in_a_message_is_markup() {
        assert_eq!(
            plain("a | b\n<b>*x*</b> [y](z) `q`"),
            "a &#124; b &#60;b&#62;&#42;x&#42;&#60;/b&#62; &#91;y&#93;(z) &#96;q&#96;"
        );
        assert_eq!(code("a`b|c"), "`a'b\\|c`");
    }
}
