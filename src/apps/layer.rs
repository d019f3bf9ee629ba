//! Layers: wrappers of applications and components.

/// A wrapper of an [`Application`](super::Application) or a
/// [`Component`](super::component::Component) that is itself one.
pub trait Layer<A> {
    /// The wrapped type.
    type Out;

    /// Wraps `inner`.
    fn layer(self, inner: A) -> Self::Out;
}

/// Wraps applications and components in layers: in `ws(chat).layer(first).layer(second)`, the
/// second layer is called before the first.
pub trait Layered: Sized {
    /// Wraps this in a layer.
    fn layer<L: Layer<Self>>(self, layer: L) -> L::Out {
        layer.layer(self)
    }
}

impl<A> Layered for A {}
