//! One view of everything that can be compared: a shape, and the elements in row-major order.

use ndarray::{ArrayBase, Data, Dimension};
use std::fmt::Debug;

/// A value, a list or an array of any number of dimensions, as its shape and its elements.
///
/// ```
/// use mlnotes::check::Items;
///
/// assert_eq!(3.0.shape(), Some(vec![]));
/// assert_eq!(vec![[1, 2, 3], [4, 5, 6]].shape(), Some(vec![2, 3]));
/// assert_eq!(vec![vec![1], vec![2, 3]].shape(), None); // ragged
/// assert_eq!(ndarray::array![[1, 2], [3, 4]].items(), [1, 2, 3, 4]);
/// ```
pub trait Items {
    /// The innermost element.
    type Item: Clone + Debug;

    /// The length along each axis, empty for a single value; `None` if rows differ in shape.
    fn shape(&self) -> Option<Vec<usize>>;

    /// Calls `see` with each element, the last axis varying fastest.
    fn each(&self, see: &mut dyn FnMut(&Self::Item));

    /// The elements, in that order.
    fn items(&self) -> Vec<Self::Item> {
        let mut items = Vec::new();
        self.each(&mut |item| items.push(item.clone()));
        items
    }
}

macro_rules! single {
    ($($type:ty),*) => {$(
        impl Items for $type {
            type Item = $type;

            fn shape(&self) -> Option<Vec<usize>> {
                Some(Vec::new())
            }

            fn each(&self, see: &mut dyn FnMut(&$type)) {
                see(self);
            }
        }
    )*};
}

single!(f64, f32, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, bool, char, String, ());

impl Items for str {
    type Item = String;

    fn shape(&self) -> Option<Vec<usize>> {
        Some(Vec::new())
    }

    fn each(&self, see: &mut dyn FnMut(&String)) {
        see(&self.to_string());
    }
}

impl<T: Clone + Debug> Items for Option<T> {
    type Item = Option<T>;

    fn shape(&self) -> Option<Vec<usize>> {
        Some(Vec::new())
    }

    fn each(&self, see: &mut dyn FnMut(&Option<T>)) {
        see(self);
    }
}

impl<A: Clone + Debug, B: Clone + Debug> Items for (A, B) {
    type Item = (A, B);

    fn shape(&self) -> Option<Vec<usize>> {
        Some(Vec::new())
    }

    fn each(&self, see: &mut dyn FnMut(&(A, B))) {
        see(self);
    }
}

/// The shape of a list of parts: its length, then the parts' common shape.
fn stack(length: usize, part: &dyn Fn(usize) -> Option<Vec<usize>>) -> Option<Vec<usize>> {
    let inner = if length == 0 { Vec::new() } else { part(0)? };
    let same = (1..length).all(|i| part(i).as_ref() == Some(&inner));
    same.then(|| std::iter::once(length).chain(inner).collect())
}

impl<T: Items> Items for [T] {
    type Item = T::Item;

    fn shape(&self) -> Option<Vec<usize>> {
        stack(self.len(), &|i| self[i].shape())
    }

    fn each(&self, see: &mut dyn FnMut(&T::Item)) {
        for part in self {
            part.each(see);
        }
    }
}

impl<T: Items, const N: usize> Items for [T; N] {
    type Item = T::Item;

    fn shape(&self) -> Option<Vec<usize>> {
        self.as_slice().shape()
    }

    fn each(&self, see: &mut dyn FnMut(&T::Item)) {
        self.as_slice().each(see);
    }
}

impl<T: Items> Items for Vec<T> {
    type Item = T::Item;

    fn shape(&self) -> Option<Vec<usize>> {
        self.as_slice().shape()
    }

    fn each(&self, see: &mut dyn FnMut(&T::Item)) {
        self.as_slice().each(see);
    }
}

impl<T: Items + ?Sized> Items for &T {
    type Item = T::Item;

    fn shape(&self) -> Option<Vec<usize>> {
        (**self).shape()
    }

    fn each(&self, see: &mut dyn FnMut(&T::Item)) {
        (**self).each(see);
    }
}

impl<S, D> Items for ArrayBase<S, D>
where
    S: Data<Elem: Clone + Debug>,
    D: Dimension,
{
    type Item = S::Elem;

    fn shape(&self) -> Option<Vec<usize>> {
        Some(ArrayBase::shape(self).to_vec())
    }

    fn each(&self, see: &mut dyn FnMut(&S::Elem)) {
        for item in self {
            see(item);
        }
    }
}
