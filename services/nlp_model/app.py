"""The language model, wired together: RPC for who asks, HTTP for its health and metrics."""

from services.contracts import nlp_pb2, nlp_pb2_grpc
from services.nlp_model.model import LanguageModel
from services.nlp_model.rpc import NlpRpc
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service

__all__ = ["build"]


def build(settings: NlpModelSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Language model")
    model = LanguageModel(settings, service.metrics.registry)
    service.add_resource(model)
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            nlp_pb2_grpc.add_NlpServiceServicer_to_server,
            NlpRpc(model),
            nlp_pb2.DESCRIPTOR.services_by_name["NlpService"].full_name,
        )
        service.add_rpc(rpc)
    return service
