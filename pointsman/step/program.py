"""A plan made ready to run: edges indexed, depths known, expressions compiled when first needed."""

from __future__ import annotations

from pointsman.base.ids import EdgeId, FrameId, NodeId
from pointsman.expr import Engine, Expression, Template
from pointsman.plan import Edge, Node, Plan, Region


class Site:
    """A node and its place in the graph."""

    __slots__ = (
        "climb",
        "closes",
        "enters",
        "ins",
        "is_branching",
        "node",
        "out",
        "template",
    )

    def __init__(self, node: Node, ins: tuple[Edge, ...], out: tuple[Edge, ...], closes: Region | None) -> None:
        self.node = node
        self.ins = ins
        self.out = out
        self.closes = closes
        """The region this node ends, if it carries a loop."""
        self.enters: tuple[NodeId, ...] = ()
        """Regions that begin at this node, outer first: a frame is opened for each when it is activated."""
        self.climb = 0
        """How many frames above its own its in-edges resolve: one for each region it enters."""
        self.is_branching = any(edge.when is not None or edge.on != "success" or edge.leave for edge in out)
        self.template: Template | None = None


class Program:
    """A plan as `step` reads it. Build one for each plan and engine, and keep it: building costs, using does not."""

    __slots__ = ("_engine", "_expressions", "edges", "ends", "engine_name", "plan", "regions", "sites", "starts")

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self.plan = plan
        self._engine = engine
        self.engine_name = engine.name
        self._expressions: dict[str, Expression] = {}
        self.edges: dict[EdgeId, Edge] = {edge.id: edge for edge in plan.edges}
        self.regions: dict[NodeId, Region] = {region.id: region for region in plan.regions}
        self.sites: dict[NodeId, Site] = self._place()
        self.starts = tuple(site for site in self.sites.values() if not site.ins)
        self.ends = tuple(site for site in self.sites.values() if not site.out)

    def _place(self) -> dict[NodeId, Site]:
        ins: dict[NodeId, list[Edge]] = {node.id: [] for node in self.plan.nodes}
        out: dict[NodeId, list[Edge]] = {node.id: [] for node in self.plan.nodes}
        for edge in self.plan.edges:
            ins[edge.target].append(edge)
            out[edge.source].append(edge)
        sites = {
            node.id: Site(node, tuple(ins[node.id]), tuple(out[node.id]), self.regions.get(node.id))
            for node in self.plan.nodes
        }
        for region in self.plan.regions:
            site = sites[region.entry]
            site.enters = (*site.enters, region.id)
            site.climb = len(site.enters)
        return sites

    def expression(self, source: str) -> Expression:
        """A compiled expression of this plan."""
        found = self._expressions.get(source)
        if found is None:
            found = self._expressions[source] = self._engine.compile(source)
        return found

    def template(self, site: Site) -> Template:
        """A node's config, its `${ }` compiled."""
        if site.template is None:
            site.template = self._engine.template(site.node.config)
        return site.template


def ancestor(frame: FrameId, climb: int) -> FrameId:
    """The frame `climb` levels above `frame`."""
    if not climb:
        return frame
    return FrameId("/".join(frame.split("/")[:-climb]))
