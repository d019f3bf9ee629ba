//! What is put around something of its own kind.

/// What is put around an [`Application`](super::Application) or a
/// [`Component`](super::component::Component), and is one itself.
pub trait Layer<A> {
    /// What comes of it.
    type Out;

    /// Puts itself around.
    fn layer(self, inner: A) -> Self::Out;
}

/// Puts layers around applications and components: `ws(chat).layer(first).layer(second)` asks the second
/// before the first.
pub trait Layered: Sized {
    /// The same with this around.
    fn layer<L: Layer<Self>>(self, layer: L) -> L::Out {
        layer.layer(self)
    }
}

impl<A> Layered for A {}
