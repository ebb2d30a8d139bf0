"""Writes test/fixtures/tensorboard/events.bin with TensorBoard's own classes: `python bench/fixtures_tensorboard.py OUT`."""
import sys
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter

text = Summary.Value(
    tag="sample",
    metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text")),
    tensor=TensorProto(dtype="DT_STRING", string_val=["Call me Ishmael – 白鲸".encode()],
                       tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])),
)
events = [
    Event(wall_time=1.5, file_version="brain.Event:2"),
    Event(wall_time=1.5, step=301, session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=2.25, step=301, summary=Summary(value=[Summary.Value(tag="train/loss", simple_value=3.25),
                                                           Summary.Value(tag="train/lr", simple_value=0.001)])),
    Event(wall_time=3.75, step=70000, summary=Summary(value=[text])),
]
with open(sys.argv[1], "wb") as f:
    writer = RecordWriter(f)
    for e in events:
        writer.write(e.SerializeToString(deterministic=True))
