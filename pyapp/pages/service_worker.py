"""The page `service-worker.html`: the room through the strategy `service_worker`."""

from demo.room_page import RoomPage

RoomPage("service_worker").open()
