//! The neighbours that each thread found enter, those of all leave: each symbol once.

use super::part::Neighbour;

#[derive(Default)]
pub struct Sums {
    all: Vec<Neighbour>,
    /// Where each symbol stands in `all`, plus one.
    at: Vec<u32>,
}

impl Sums {
    /// Adds what a thread found; `last` is the highest symbol there is.
    pub fn add(&mut self, found: &[Neighbour], last: u32) {
        self.at.resize(self.at.len().max(last as usize + 1), 0);
        for neighbour in found {
            let at = &mut self.at[neighbour.symbol as usize];
            if *at == 0 {
                self.all.push(*neighbour);
                *at = self.all.len() as u32;
            } else {
                self.all[*at as usize - 1].count += neighbour.count;
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Neighbour> {
        self.all.iter()
    }

    pub fn clear(&mut self) {
        self.all.drain(..).for_each(|neighbour| self.at[neighbour.symbol as usize] = 0);
    }
}
