//! What is written of the cases whose figure is bytes.

use super::{BASELINE, Report, judge, show_known, values_of, write_line};
use crate::Outcome;
use crate::memory::{Limit, MEMORY_CASES, MemoryCase, MemoryRun};
use crate::peers::{MILLSTREAM, Peer};
use crate::statistics::Spread;
use serde_json::json;
use std::fmt::Write as _;

impl Report {
    pub(crate) fn add_memory(
        &mut self,
        case: &MemoryCase,
        peer: &Peer,
        round: u32,
        run: MemoryRun,
    ) -> Outcome<()> {
        write_line(
            &mut self.lines,
            &json!({
                "type": "memory", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "items": run.items, "used_bytes_per_item": run.used_bytes_per_item(),
                "resident_bytes_per_item": run.resident_growth.map(|_| run.resident_bytes_per_item()),
            }),
        )?;
        self.memory.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    pub(super) fn write_memory_table(&mut self, text: &mut String) -> Outcome<()> {
        writeln!(text, "\nBytes: growth of used_memory (of resident memory).\n")?;
        self.write_heading(text, "case")?;
        for case in MEMORY_CASES {
            let median = |peer: &str, figure: fn(&MemoryRun) -> f64| {
                let values = values_of(&self.memory, case.name, peer, figure);
                Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
            };
            let used = |peer: &str| median(peer, MemoryRun::used_bytes_per_item);
            if self.peers.iter().all(|peer| used(peer).is_none()) {
                continue;
            }
            write!(text, "| {} |", case.what)?;
            for peer in &self.peers {
                match (used(peer), median(peer, MemoryRun::resident_bytes_per_item)) {
                    (Some(used), resident) => write!(text, " {used:.1} ({}) |", show_known(resident, 1))?,
                    _ => write!(text, " - |")?,
                }
            }
            let ratio = used(MILLSTREAM).zip(used(BASELINE)).map(|(own, other)| own / other);
            // Limits in bytes are on the figure itself.
            let judged = match case.target.or(case.goal) {
                Some(Limit::Bytes(_)) => used(MILLSTREAM),
                _ => ratio,
            };
            let number =
                |limit: Option<Limit>| limit.map(|(Limit::Ratio(number) | Limit::Bytes(number))| number);
            let verdict = judge(judged, number(case.target), number(case.goal));
            if let Some(judged) = judged {
                write_line(
                    &mut self.lines,
                    &json!({
                        "type": "ratio", "case": case.name, "figure": "used_bytes_per_item", "peer": MILLSTREAM,
                        "baseline": BASELINE, "median": ratio, "judged": judged, "target": number(case.target),
                        "goal": number(case.goal), "verdict": verdict,
                    }),
                )?;
            }
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let (target, goal) = (show_limit(case.target), show_limit(case.goal));
            writeln!(text, " {ratio} | {target} | {goal} | {verdict} |")?;
        }
        Ok(())
    }
}

fn show_limit(limit: Option<Limit>) -> String {
    match limit {
        Some(Limit::Ratio(ratio)) => format!("{ratio:.2}"),
        Some(Limit::Bytes(bytes)) => format!("{bytes:.0} bytes"),
        None => "-".to_owned(),
    }
}
